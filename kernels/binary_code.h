#pragma once

#include "engine/core/host_device.h"

// What each BinaryMember does to a pair of elements, for the CPU's loops and CUDA's kernels.
namespace engine::binary_code {

struct Add {
  ENGINE_HOST_DEVICE static float apply(float a, float b) { return a + b; }
};
struct Subtract {
  ENGINE_HOST_DEVICE static float apply(float a, float b) { return a - b; }
};
struct Multiply {
  ENGINE_HOST_DEVICE static float apply(float a, float b) { return a * b; }
};
struct Divide {
  ENGINE_HOST_DEVICE static float apply(float a, float b) { return a / b; }
};
struct Maximum {  // a NaN on either side wins
  ENGINE_HOST_DEVICE static float apply(float a, float b) {
    const float larger = a < b ? b : a;
    return b != b ? b : larger;
  }
};
struct Minimum {
  ENGINE_HOST_DEVICE static float apply(float a, float b) {
    const float smaller = b < a ? b : a;
    return b != b ? b : smaller;
  }
};
struct Less {
  ENGINE_HOST_DEVICE static float apply(float a, float b) { return a < b ? 1.0f : 0.0f; }
};
struct NotLess {
  ENGINE_HOST_DEVICE static float apply(float a, float b) { return a < b ? 0.0f : 1.0f; }
};

}  // namespace engine::binary_code
