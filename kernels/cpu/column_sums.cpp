#include "engine/kernels/cpu/column_sums.h"

#include <algorithm>

#include "engine/core/cpu/parallel.h"
#include "engine/core/cpu/simd.h"

namespace engine::cpu {
namespace {

constexpr std::int64_t kWidth = 512;   // accumulators that keep the adders busy
constexpr std::int64_t kStrip = 4096;  // columns: 16 KB of accumulators stay in L1
constexpr std::int64_t kBlockElements = 64 * 1024;

struct Strip {
  std::int64_t rows, stride, width;
};

template <class T>
ENGINE_ALWAYS_INLINE void add_rows(const T* x, const Strip& strip, float* accumulator) {
  for (std::int64_t row = 0; row < strip.rows; ++row) {
    const T* from = x + row * strip.stride;
#pragma omp simd
    for (std::int64_t i = 0; i < strip.width; ++i) accumulator[i] += load(from[i]);
  }
}

ENGINE_CPU_CLONES void add_rows_f32(const float* x, const Strip& strip, float* accumulator) {
  add_rows(x, strip, accumulator);
}
ENGINE_CPU_CLONES void add_rows_bf16(const BFloat16* x, const Strip& strip, float* accumulator) {
  add_rows(x, strip, accumulator);
}

ENGINE_CPU_CLONES void add_to(float* sum, const float* other, std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) sum[i] += other[i];
}

template <class T>
void sum_task(const ColumnSums::Task& task, std::int64_t rows, std::int64_t columns, const T* x,
              void (*add_rows_of)(const T*, const Strip&, float*)) {
  const std::int64_t width = task.fold * task.column_count;
  const T* from = x + (task.outer * rows + task.row_begin) * columns + task.column_begin;
  const std::int64_t count = task.row_end - task.row_begin, groups = count / task.fold;
  add_rows_of(from, {groups, task.fold * columns, width}, task.accumulator);
  const std::int64_t left = count - groups * task.fold;  // less than one group of rows
  add_rows_of(from + groups * task.fold * columns, {left > 0 ? 1 : 0, 0, left * columns},
              task.accumulator);
}

}  // namespace

ColumnSums::ColumnSums(std::int64_t outer, std::int64_t rows, std::int64_t columns)
    : outer_(outer), rows_(rows), columns_(columns) {
  strip_ = std::clamp<std::int64_t>(columns, 1, kStrip);
  strips_ = (columns + strip_ - 1) / strip_;
  fold_ = 1;
  while (columns > 0 && strips_ == 1 && 2 * fold_ * columns <= kWidth && 4 * fold_ <= rows)
    fold_ *= 2;
  block_rows_ = std::max<std::int64_t>(kBlockElements / (strip_ * fold_), 1) * fold_;
  blocks_ = std::max<std::int64_t>((rows + block_rows_ - 1) / block_rows_, 1);
  width_ = fold_ * strip_;
}

std::int64_t ColumnSums::scratch_bytes() const {
  return tasks() * width_ * static_cast<std::int64_t>(sizeof(float));
}

ColumnSums::Task ColumnSums::task(std::int64_t index, float* scratch) const {
  const std::int64_t block = index % blocks_, strip = index / blocks_ % strips_;
  return {.outer = index / (blocks_ * strips_),
          .row_begin = block * block_rows_,
          .row_end = std::min((block + 1) * block_rows_, rows_),
          .column_begin = strip * strip_,
          .column_count = std::min(strip_, columns_ - strip * strip_),
          .fold = fold_,
          .accumulator = scratch + index * width_};
}

void ColumnSums::run(const Stream& stream, const void* x, DType dtype, float* scratch,
                     float divisor, float* result) const {
  for_each_task(stream, scratch, [&](const Task& task) {
    if (dtype == DType::f32) {
      sum_task(task, rows_, columns_, static_cast<const float*>(x), add_rows_f32);
    } else {
      sum_task(task, rows_, columns_, static_cast<const BFloat16*>(x), add_rows_bf16);
    }
  });
  combine(stream, scratch, divisor, result);
}

void ColumnSums::combine(const Stream& stream, float* scratch, float divisor, float* result) const {
  parallel_for(stream, outer_ * strips_, blocks_ * width_,
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t index = begin; index < end; ++index) {
                   float* first = scratch + index * blocks_ * width_;
                   const std::int64_t column = index % strips_ * strip_;
                   const std::int64_t columns = std::min(strip_, columns_ - column);
                   for (std::int64_t blocks = blocks_; blocks > 1;) {
                     const std::int64_t half = (blocks + 1) / 2;
                     add_to(first, first + half * width_, (blocks - half) * width_);
                     blocks = half;
                   }
                   for (std::int64_t width = fold_ * columns; width > columns; width /= 2) {
                     add_to(first, first + width / 2, width / 2);
                   }
                   float* to = result + index / strips_ * columns_ + column;
                   for (std::int64_t i = 0; i < columns; ++i) to[i] = first[i] / divisor;
                 }
               });
}

}  // namespace engine::cpu
