#include "engine/layers/import_torch.h"

#include <cstring>

#include "engine/core/errors.h"

namespace engine {
namespace {

// [a, c, h, w] -> [a, h, w, c], element by element as bytes.
Tensor channels_last(const char* op, const Tensor& source) {
  ENGINE_CHECK(source.defined() && source.device().is_cpu(), op,
               ": the weights must be on the cpu");
  const Shape& shape = source.shape();
  ENGINE_CHECK(shape.rank() == 4, op, ": weights are ", shape, ", four axes are needed");
  const std::int64_t channels = shape[1], pixels = shape[2] * shape[3];
  const std::int64_t size = size_of(source.dtype());
  Tensor result =
      Tensor::empty({shape[0], shape[2], shape[3], channels}, source.dtype(), Device::cpu());
  const auto* from = static_cast<const std::byte*>(source.data());
  auto* to = static_cast<std::byte*>(result.data());
  for (std::int64_t a = 0; a < shape[0]; ++a) {
    for (std::int64_t pixel = 0; pixel < pixels; ++pixel) {
      for (std::int64_t c = 0; c < channels; ++c, to += size) {
        std::memcpy(to, from + ((a * channels + c) * pixels + pixel) * size,
                    static_cast<std::size_t>(size));
      }
    }
  }
  return result;
}

}  // namespace

Tensor import_torch_conv2d(const Tensor& weights) {
  return channels_last("import_torch_conv2d", weights);
}

Tensor import_torch_conv_transpose2d(const Tensor& weights) {
  return channels_last("import_torch_conv_transpose2d", weights);
}

Tensor import_torch_linear_after_flatten(const Tensor& weights, const FlattenedImage& image) {
  constexpr const char* kOp = "import_torch_linear_after_flatten";
  const Shape shape = weights.shape();
  const auto& [channels, height, width] = image;
  ENGINE_CHECK(shape.rank() == 2 && channels > 0 && height > 0 && width > 0 &&
                   shape[1] % channels == 0 && shape[1] / channels % height == 0 &&
                   shape[1] / channels / height == width,
               kOp, ": weights are ", shape, ", the image has ", channels, " channels of ", height,
               "x", width);
  return channels_last(kOp, weights.reshape({shape[0], channels, height, width})).reshape(shape);
}

}  // namespace engine
