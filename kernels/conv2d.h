#pragma once

#include "engine/core/graph.h"
#include "engine/kernels/extent2d.h"

namespace engine {

struct Conv2dGeometry {
  Extent2d stride = 1;
  Extent2d padding = 0;   // zeros added on each side
  Extent2d dilation = 1;  // 1: dense kernel
  std::int64_t groups = 1;

  bool operator==(const Conv2dGeometry&) const = default;
};

// 2-D cross-correlation.
//   y[n, oh, ow, oc] = sum over kh, kw, c of
//       x[n, oh * stride.h - padding.h + kh * dilation.h, ..., group(oc) * C + c] * w[oc, kh, kw,
//       c]
// Shapes: x [n, h, w, in_channels], w [out_channels, kh, kw, in_channels / groups] ->
//   [n, (h + 2 padding.h - dilation.h (kh - 1) - 1) / stride.h + 1, ..., out_channels].
// Dtypes: f32 or bf16 (matrix class); accumulates in f32. Gradients: x and w.
// Throws: InvalidArgument with both shapes when channels, groups or the kernel do not fit.
Value conv2d(const Value& x, const Value& w, const Conv2dGeometry& geometry = {});

}  // namespace engine
