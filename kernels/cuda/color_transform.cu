// color_transform on CUDA.
#include <algorithm>
#include <cstdint>

#include "engine/core/cuda/launch.h"
#include "engine/kernels/color_transform.h"
#include "engine/kernels/cuda/packs.h"

namespace engine::cuda {

namespace {

constexpr int kThreads = 256;
constexpr int kPixels = 4;  // of 3 channels are three packs

// Travels as a kernel parameter.
struct ColorMatrix {
  int in, out;
  float matrix[16 * 16];
  float offset[16];
};

// A thread does four pixels. Floor: x read and y written once.
__global__ void __launch_bounds__(kThreads)
    color_transform_3_to_3_kernel(const float* x, float* y,
                                  const __grid_constant__ ColorMatrix transform, std::int64_t count,
                                  bool is_aligned) {
  const std::int64_t first = 3 * kPixels * global_thread();
  float values[3][4];
#pragma unroll
  for (int k = 0; k < 3; ++k) load_pack(x, first + 4 * k, count, is_aligned, values[k]);
  float results[3][4];
#pragma unroll
  for (int i = 0; i < 3 * kPixels; ++i) {
    const int pixel = i / 3 * 3, j = i % 3;
    float sum = transform.offset[j];
#pragma unroll
    for (int k = 0; k < 3; ++k) {
      sum += transform.matrix[3 * j + k] * values[(pixel + k) / 4][(pixel + k) % 4];
    }
    results[i / 4][i % 4] = sum;
  }
#pragma unroll
  for (int k = 0; k < 3; ++k) store_pack(y, first + 4 * k, count, is_aligned, results[k]);
}

// A thread does one channel of y. Floor: x read and y written once; the channels of a pixel come
// from L1 after the first.
__global__ void __launch_bounds__(kThreads)
    color_transform_kernel(const float* x, float* y, const __grid_constant__ ColorMatrix transform,
                           std::int64_t count) {
  const std::int64_t index = global_thread();
  if (index >= count) return;
  const int j = static_cast<int>(index % transform.out);
  const float* pixel = x + index / transform.out * transform.in;
  float sum = transform.offset[j];
  for (int i = 0; i < transform.in; ++i) sum += transform.matrix[j * transform.in + i] * pixel[i];
  y[index] = sum;
}

}  // namespace

std::unique_ptr<Kernel> prepare_color_transform(const ColorTransform& transform,
                                                std::int64_t pixels) {
  ColorMatrix matrix = {};
  matrix.in = static_cast<int>(transform.in_channels);
  matrix.out = static_cast<int>(transform.out_channels());
  std::copy(transform.matrix.begin(), transform.matrix.end(), matrix.matrix);
  std::copy(transform.offset.begin(), transform.offset.end(), matrix.offset);
  const std::int64_t count = pixels * matrix.out;
  return make_kernel([=](const Stream& stream, const Buffers& b) {
    const auto* x = b.in<float>(0);
    auto* y = b.out<float>(0);
    if (matrix.in == 3 && matrix.out == 3) {
      ENGINE_LAUNCH(color_transform_3_to_3_kernel,
                    (LaunchConfig{.grid = dim3(blocks_for(count, kThreads * 3 * kPixels)),
                                  .block = dim3(kThreads)}),
                    stream_of(stream), x, y, matrix, count, are_aligned(x, y));
    } else {
      ENGINE_LAUNCH(
          color_transform_kernel,
          (LaunchConfig{.grid = dim3(blocks_for(count, kThreads)), .block = dim3(kThreads)}),
          stream_of(stream), x, y, matrix, count);
    }
  });
}

}  // namespace engine::cuda
