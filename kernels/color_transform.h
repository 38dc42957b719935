#pragma once

#include <memory>
#include <vector>

#include "engine/core/graph.h"

namespace engine {

// An affine map of the channels of each pixel: y[.., j] = offset[j] + sum over i of
// matrix[j][i] x[.., i].
struct ColorTransform {
  std::int64_t in_channels = 0;
  std::vector<float> matrix;  // [out channels, in channels], row-major
  std::vector<float> offset;  // [out channels]; empty: zeros

  std::int64_t out_channels() const;

  // Rec. 601 luma of RGB: 0.299 R + 0.587 G + 0.114 B.
  static ColorTransform luminance();
  // NTSC's luma and chroma, and back (the exact inverse of the rounded matrix).
  static ColorTransform rgb_to_yiq();
  static ColorTransform yiq_to_rgb();
};

// Shapes: x [..., in_channels] -> [..., out_channels], at most 16 channels each.
// Dtypes: f32 class; sums in the order of the channels.
// Gradients: x (by the transposed matrix).
// Numerics: NaN in a channel reaches every output channel whose row of the matrix is not empty,
//   zeros included.
Value color_transform(const Value& x, const ColorTransform& transform);

namespace cpu {
std::unique_ptr<Kernel> prepare_color_transform(const ColorTransform& transform,
                                                std::int64_t pixels);
}  // namespace cpu
namespace cuda {
std::unique_ptr<Kernel> prepare_color_transform(const ColorTransform& transform,
                                                std::int64_t pixels);
}  // namespace cuda

}  // namespace engine
