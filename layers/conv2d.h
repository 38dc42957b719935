#pragma once

#include "engine/core/scope.h"
#include "engine/kernels/conv2d.h"

namespace engine {

struct Conv2dOptions {
  std::int64_t filters = 0;  // output channels; required
  Extent2d kernel = 3;
  Extent2d stride = 1;
  Extent2d padding = 0;
  Extent2d dilation = 1;
  std::int64_t groups = 1;
  bool bias = true;
};

// Convolution with its own parameters: "weight" [filters, kh, kw, in_channels / groups] and "bias"
// [filters], both initialised U(+-1/sqrt(fan_in)) as PyTorch does.
// Shapes: x [n, h, w, c] -> [n, oh, ow, filters].
Value conv2d(const Scope& scope, const Value& x, const Conv2dOptions& options);

}  // namespace engine
