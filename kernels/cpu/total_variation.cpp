// A task is a run of rows of images. Bound by reading x once (the row below is read again while it
// is in the cache); backward also writes dx once.
#include "engine/kernels/total_variation.h"

#include "engine/core/cpu/parallel.h"
#include "engine/core/cpu/simd.h"

namespace engine::cpu {
namespace {

// Sum of (ahead[i] - x[i])^2.
ENGINE_CPU_CLONES float squared_steps(const float* x, const float* ahead, std::int64_t count) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < count; ++i) {
    const float step = ahead[i] - x[i];
    sum += step * step;
  }
  return sum;
}

// dx += factor (x - other).
ENGINE_CPU_CLONES void add_difference(const float* x, const float* other, float factor, float* dx,
                                      std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) dx[i] += factor * (x[i] - other[i]);
}

}  // namespace

std::unique_ptr<Kernel> prepare_total_variation(const Shape& x) {
  const std::int64_t rows = x[0] * x[1], height = x[1], row = x[2] * x[3], c = x[3];
  return make_kernel(
      [=](const Stream& stream, const Buffers& buffers) {
        const float* image = buffers.in<float>(0);
        auto* sums = static_cast<double*>(buffers.scratch);
        parallel_for(stream, rows, row, [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t i = begin; i < end; ++i) {
            const float* at = image + i * row;
            sums[i] = squared_steps(at, at + c, row - c);
            if (i % height + 1 < height) sums[i] += squared_steps(at, at + row, row);
          }
        });
        double total = 0;
        for (std::int64_t i = 0; i < rows; ++i) total += sums[i];
        *buffers.out<float>(0) = static_cast<float>(total);
      },
      rows * static_cast<std::int64_t>(sizeof(double)));
}

std::unique_ptr<Kernel> prepare_total_variation_backward(const Shape& x) {
  const std::int64_t rows = x[0] * x[1], height = x[1], row = x[2] * x[3], c = x[3];
  return make_kernel([=](const Stream& stream, const Buffers& buffers) {
    const float factor = 2.0f * *buffers.in<float>(0);
    const float* image = buffers.in<float>(1);
    float* dx = buffers.out<float>(0);
    parallel_for(stream, rows, 4 * row, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const float* at = image + i * row;
        float* to = dx + i * row;
        std::fill_n(to, row, 0.0f);
        add_difference(at, at + c, factor, to, row - c);
        add_difference(at + c, at, factor, to + c, row - c);
        if (i % height > 0) add_difference(at, at - row, factor, to, row);
        if (i % height + 1 < height) add_difference(at, at + row, factor, to, row);
      }
    });
  });
}

}  // namespace engine::cpu
