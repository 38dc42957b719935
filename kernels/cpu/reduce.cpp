#include "engine/kernels/reduce.h"

#include <algorithm>

#include "engine/core/cpu/parallel.h"
#include "engine/core/cpu/simd.h"
#include "engine/kernels/cpu/column_sums.h"

namespace engine::cpu {
namespace {

template <class T>
ENGINE_ALWAYS_INLINE void scale_loop(const T* x, float divisor, T* y, std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) y[i] = store<T>(load(x[i]) / divisor);
}
ENGINE_CPU_CLONES void scale_f32(const float* x, float divisor, float* y, std::int64_t count) {
  scale_loop(x, divisor, y, count);
}
ENGINE_CPU_CLONES void scale_bf16(const BFloat16* x, float divisor, BFloat16* y,
                                  std::int64_t count) {
  scale_loop(x, divisor, y, count);
}

template <class T>
std::unique_ptr<Kernel> repeat_kernel(void (*scale)(const T*, float, T*, std::int64_t),
                                      const ReduceExtents& extents, float divisor) {
  return make_kernel([=](const Stream& stream, const Buffers& buffers) {
    const T* dy = buffers.in<T>(0);
    T* dx = buffers.out<T>(0);
    const auto [outer, reduced, inner] = extents;
    parallel_for(stream, outer * reduced, inner, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end;) {
        // All rows of one outer index are alike: the first is computed, the others are copies.
        const std::int64_t index = row / reduced, last = std::min(end, (index + 1) * reduced);
        T* first = dx + row * inner;
        scale(dy + index * inner, divisor, first, inner);
        if (inner == 1) {
          std::fill(first + 1, first + (last - row), *first);
        } else {
          for (++row; row < last; ++row) std::copy_n(first, inner, dx + row * inner);
        }
        row = last;
      }
    });
  });
}

float divisor_of(ReduceMember member, const ReduceExtents& extents) {
  return member == ReduceMember::mean ? static_cast<float>(extents.reduced) : 1.0f;
}

}  // namespace

std::unique_ptr<Kernel> prepare_reduce(ReduceMember member, const ReduceExtents& extents,
                                       DType dtype) {
  const ColumnSums sums(extents.outer, extents.reduced, extents.inner);
  const float divisor = divisor_of(member, extents);
  return make_kernel(
      [=](const Stream& stream, const Buffers& buffers) {
        sums.run(stream, buffers.inputs[0], dtype, static_cast<float*>(buffers.scratch), divisor,
                 buffers.out<float>(0));
      },
      sums.scratch_bytes());
}

std::unique_ptr<Kernel> prepare_reduce_backward(ReduceMember member, const ReduceExtents& extents,
                                                DType dtype) {
  const float divisor = divisor_of(member, extents);
  if (dtype == DType::f32) return repeat_kernel(scale_f32, extents, divisor);
  return repeat_kernel(scale_bf16, extents, divisor);
}

}  // namespace engine::cpu
