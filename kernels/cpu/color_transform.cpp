// Bound by reading x and writing y once.
#include "engine/kernels/color_transform.h"

#include "engine/core/cpu/parallel.h"
#include "engine/core/cpu/simd.h"

namespace engine::cpu {
namespace {

struct Pixels {
  const float* x;
  float* y;
  std::int64_t count;
};

template <int kIn, int kOut>
ENGINE_ALWAYS_INLINE void transform_fixed(const Pixels& pixels, const float* matrix,
                                          const float* offset) {
  for (std::int64_t p = 0; p < pixels.count; ++p) {
    const float* x = pixels.x + p * kIn;
    float* y = pixels.y + p * kOut;
    for (int j = 0; j < kOut; ++j) {
      float sum = offset[j];
      for (int i = 0; i < kIn; ++i) sum += matrix[j * kIn + i] * x[i];
      y[j] = sum;
    }
  }
}

ENGINE_CPU_CLONES void transform_3_to_3(const Pixels& pixels, const float* matrix,
                                        const float* offset) {
  transform_fixed<3, 3>(pixels, matrix, offset);
}

void transform_any(const Pixels& pixels, const ColorTransform& transform, const float* offset) {
  const std::int64_t in = transform.in_channels, out = transform.out_channels();
  for (std::int64_t p = 0; p < pixels.count; ++p) {
    for (std::int64_t j = 0; j < out; ++j) {
      float sum = offset[j];
      for (std::int64_t i = 0; i < in; ++i) {
        sum += transform.matrix[static_cast<std::size_t>(j * in + i)] * pixels.x[p * in + i];
      }
      pixels.y[p * out + j] = sum;
    }
  }
}

}  // namespace

std::unique_ptr<Kernel> prepare_color_transform(const ColorTransform& transform,
                                                std::int64_t pixels) {
  std::vector<float> offset = transform.offset;
  offset.resize(static_cast<std::size_t>(transform.out_channels()), 0.0f);
  return make_kernel([=](const Stream& stream, const Buffers& buffers) {
    const std::int64_t in = transform.in_channels, out = transform.out_channels();
    parallel_for(stream, pixels, in * out, [&](std::int64_t begin, std::int64_t end) {
      const Pixels part{buffers.in<float>(0) + begin * in, buffers.out<float>(0) + begin * out,
                        end - begin};
      if (in == 3 && out == 3) {
        transform_3_to_3(part, transform.matrix.data(), offset.data());
      } else {
        transform_any(part, transform, offset.data());
      }
    });
  });
}

}  // namespace engine::cpu
