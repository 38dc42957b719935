#include <algorithm>

#include "engine/core/cpu/parallel.h"
#include "engine/core/cpu/simd.h"
#include "engine/kernels/cpu/column_sums.h"
#include "engine/kernels/pool2d.h"

namespace engine::cpu {
namespace {

// Sums dy where a window has a position, in the accumulators of column_sums.h.
struct Strip {
  std::int64_t rows, stride, width;
};

template <class T, class Argmax>
ENGINE_ALWAYS_INLINE void add_chosen(const T* dy, const Argmax* argmax, const Strip& strip,
                                     float* accumulator) {
  for (std::int64_t row = 0; row < strip.rows; ++row) {
    const T* from = dy + row * strip.stride;
    const Argmax* chosen = argmax + row * strip.stride;
#pragma omp simd
    for (std::int64_t i = 0; i < strip.width; ++i) {
      accumulator[i] += chosen[i] == static_cast<Argmax>(-1) ? 0.0f : load(from[i]);
    }
  }
}

#define ENGINE_ADD_CHOSEN(T, Argmax)                                                        \
  ENGINE_CPU_CLONES void add_chosen_rows(const T* dy, const Argmax* argmax, const Strip& s, \
                                         float* accumulator) {                              \
    add_chosen(dy, argmax, s, accumulator);                                                 \
  }
ENGINE_ADD_CHOSEN(float, std::uint8_t)
ENGINE_ADD_CHOSEN(float, std::int32_t)
ENGINE_ADD_CHOSEN(BFloat16, std::uint8_t)
ENGINE_ADD_CHOSEN(BFloat16, std::int32_t)
#undef ENGINE_ADD_CHOSEN

template <class T, class Argmax>
std::unique_ptr<Kernel> kernel_of(std::int64_t rows, std::int64_t channels) {
  const ColumnSums sums(1, rows, channels);
  return make_kernel(
      [=](const Stream& stream, const Buffers& buffers) {
        const T* dy = buffers.in<T>(0);
        const Argmax* argmax = buffers.in<Argmax>(1);
        auto* scratch = static_cast<float*>(buffers.scratch);
        sums.for_each_task(stream, scratch, [&](const ColumnSums::Task& task) {
          const std::int64_t width = task.fold * task.column_count;
          const std::int64_t from = task.row_begin * channels + task.column_begin;
          const std::int64_t count = task.row_end - task.row_begin, groups = count / task.fold;
          add_chosen_rows(dy + from, argmax + from, {groups, task.fold * channels, width},
                          task.accumulator);
          const std::int64_t done = from + groups * task.fold * channels;
          const std::int64_t left = count - groups * task.fold;
          add_chosen_rows(dy + done, argmax + done, {left > 0 ? 1 : 0, 0, left * channels},
                          task.accumulator);
        });
        sums.combine(stream, scratch, 1.0f, buffers.out<float>(0));
      },
      sums.scratch_bytes());
}

}  // namespace

std::unique_ptr<Kernel> prepare_max_pool2d_backward_sum(std::int64_t rows, std::int64_t channels,
                                                        DType dtype, DType argmax) {
  if (dtype == DType::f32) {
    return argmax == DType::u8 ? kernel_of<float, std::uint8_t>(rows, channels)
                               : kernel_of<float, std::int32_t>(rows, channels);
  }
  return argmax == DType::u8 ? kernel_of<BFloat16, std::uint8_t>(rows, channels)
                             : kernel_of<BFloat16, std::int32_t>(rows, channels);
}

}  // namespace engine::cpu
