// Separable: rows are resampled along the width into scratch, then columns of them along the
// height. A task is a run of output rows. Bound by reading and writing the images where the filter
// is narrow, by multiply-adds where it reduces much.
#include "engine/kernels/resize.h"

#include <algorithm>

#include "engine/core/cpu/parallel.h"
#include "engine/core/cpu/simd.h"

namespace engine::cpu {
namespace {

ENGINE_CPU_CLONES void add_scaled(const float* x, float weight, float* sum, std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) sum[i] += weight * x[i];
}

ENGINE_CPU_CLONES void resize_row(const ResizeAxis& axis, std::int64_t c, const float* x,
                                  float* y) {
  for (std::int64_t o = 0; o < axis.out; ++o, y += c) {
    std::fill_n(y, c, 0.0f);
    const float* from = x + axis.begin[static_cast<std::size_t>(o)] * c;
    for (std::int64_t k = axis.first[static_cast<std::size_t>(o)];
         k < axis.first[static_cast<std::size_t>(o) + 1]; ++k, from += c) {
      const float weight = axis.weights[static_cast<std::size_t>(k)];
      for (std::int64_t i = 0; i < c; ++i) y[i] += weight * from[i];
    }
  }
}

}  // namespace

std::unique_ptr<Kernel> prepare_resize(ResizeProblem problem) {
  const std::int64_t scratch = problem.n * problem.vertical.in * problem.horizontal.out * problem.c;
  return make_kernel(
      [p = std::move(problem)](const Stream& stream, const Buffers& buffers) {
        const float* x = buffers.in<float>(0);
        auto* middle = static_cast<float*>(buffers.scratch);
        float* y = buffers.out<float>(0);
        const std::int64_t in_row = p.horizontal.in * p.c, out_row = p.horizontal.out * p.c;
        const std::int64_t ih = p.vertical.in, oh = p.vertical.out;
        parallel_for(stream, p.n * ih, in_row + out_row, [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t row = begin; row < end; ++row) {
            resize_row(p.horizontal, p.c, x + row * in_row, middle + row * out_row);
          }
        });
        parallel_for(stream, p.n * oh, 2 * out_row, [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t row = begin; row < end; ++row) {
            const auto o = static_cast<std::size_t>(row % oh);
            const std::int64_t first = row / oh * ih + p.vertical.begin[o];
            std::fill_n(y + row * out_row, out_row, 0.0f);
            for (std::int64_t k = p.vertical.first[o]; k < p.vertical.first[o + 1]; ++k) {
              add_scaled(middle + (first + k - p.vertical.first[o]) * out_row,
                         p.vertical.weights[static_cast<std::size_t>(k)], y + row * out_row,
                         out_row);
            }
          }
        });
      },
      scratch * static_cast<std::int64_t>(sizeof(float)));
}

}  // namespace engine::cpu
