#pragma once

#include "engine/core/graph.h"
#include "engine/kernels/extent2d.h"

namespace engine {

struct Pool2dOptions {
  Extent2d window = 2;
  Extent2d stride = 0;  // 0: the window
  Extent2d padding = 0;
  bool ceil_mode = false;             // round the output extent up instead of down
  bool count_include_padding = true;  // average only

  bool operator==(const Pool2dOptions&) const = default;
};

// Maximum or average over windows. Padding counts as -infinity for the maximum.
// Shapes: x [n, h, w, c] -> [n, (h + 2 padding.h - window.h) / stride.h + 1, ..., c].
// Dtypes: f32, bf16 (follow). Gradients: x; for ties the first element in row-major order gets it.
// NaN: a window with a NaN gives NaN.
// Throws: when padding exceeds half the window, or the window exceeds the padded image.
Value max_pool2d(const Value& x, const Pool2dOptions& options = {});
Value average_pool2d(const Value& x, const Pool2dOptions& options = {});

}  // namespace engine
