#pragma once

#include <cstdint>

#include "engine/core/tensor.h"

namespace engine {

// Weights of PyTorch's channels-first layers in this library's channels-last layout. Copies bits:
// any dtype, on the CPU. The weights of a linear that does not follow a flatten of an image, of
// recurrent cells, and all biases are laid out alike in both and need nothing. Each throws
// InvalidArgument for another rank.

// Conv2d: [out, in / groups, kh, kw] -> [out, kh, kw, in / groups].
Tensor import_torch_conv2d(const Tensor& weights);

// ConvTranspose2d: [in, out / groups, kh, kw] -> [in, kh, kw, out / groups].
Tensor import_torch_conv_transpose2d(const Tensor& weights);

// The image that a linear's input is flattened from.
struct FlattenedImage {
  std::int64_t channels = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
};

// The Linear after Flatten: columns in the order (channel, row, column) -> (row, column, channel).
// [out, channels * height * width] keeps its shape. Throws when the columns are not that many.
Tensor import_torch_linear_after_flatten(const Tensor& weights, const FlattenedImage& image);

}  // namespace engine
