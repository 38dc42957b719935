#pragma once

#include "engine/core/host_device.h"

namespace engine {

// What each UnaryMember does to an element, and to a gradient with the element that the member
// saves (x or y, see unary.h), for the CPU's loops and CUDA's kernels. Math has exp, log, tanh,
// sigmoid, sqrt and abs of a float.
template <class Math>
struct UnaryCode {
  struct Relu {
    // This order of the comparison keeps NaN.
    ENGINE_HOST_DEVICE static float forward(float x) { return x < 0.0f ? 0.0f : x; }
    ENGINE_HOST_DEVICE static float backward(float dy, float y) { return y <= 0.0f ? 0.0f : dy; }
  };
  struct Sigmoid {
    ENGINE_HOST_DEVICE static float forward(float x) { return Math::sigmoid(x); }
    ENGINE_HOST_DEVICE static float backward(float dy, float y) { return dy * (y * (1.0f - y)); }
  };
  struct Tanh {
    ENGINE_HOST_DEVICE static float forward(float x) { return Math::tanh(x); }
    ENGINE_HOST_DEVICE static float backward(float dy, float y) { return dy * (1.0f - y * y); }
  };
  struct Exp {
    ENGINE_HOST_DEVICE static float forward(float x) { return Math::exp(x); }
    ENGINE_HOST_DEVICE static float backward(float dy, float y) { return dy * y; }
  };
  struct Log {
    ENGINE_HOST_DEVICE static float forward(float x) { return Math::log(x); }
    ENGINE_HOST_DEVICE static float backward(float dy, float x) { return dy / x; }
  };
  struct Sqrt {
    ENGINE_HOST_DEVICE static float forward(float x) { return Math::sqrt(x); }
    ENGINE_HOST_DEVICE static float backward(float dy, float y) { return dy * 0.5f / y; }
  };
  struct Square {
    ENGINE_HOST_DEVICE static float forward(float x) { return x * x; }
    ENGINE_HOST_DEVICE static float backward(float dy, float x) { return dy * (x + x); }
  };
  struct Abs {
    ENGINE_HOST_DEVICE static float forward(float x) { return Math::abs(x); }
    ENGINE_HOST_DEVICE static float backward(float dy, float x) {
      const float signed_dy = x < 0.0f ? -dy : dy;
      return x == 0.0f ? 0.0f : (x != x ? x : signed_dy);
    }
  };
  struct Negate {
    ENGINE_HOST_DEVICE static float forward(float x) { return -x; }
    ENGINE_HOST_DEVICE static float backward(float dy, float) { return -dy; }
  };
};

}  // namespace engine
