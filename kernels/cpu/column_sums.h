#pragma once

#include <algorithm>
#include <cstdint>

#include "engine/core/cpu/parallel.h"
#include "engine/core/dtype.h"
#include "engine/core/stream.h"

namespace engine::cpu {

// Sums of a [outer, rows, columns] tensor over its rows, in an order that depends on the extents
// alone. Rows are cut into blocks; each block of a strip of columns is one task with an accumulator
// of its own in scratch; the blocks are then added pairwise. Narrow tensors are seen with several
// rows side by side, so that the inner loop is always wide.
class ColumnSums {
 public:
  ColumnSums(std::int64_t outer, std::int64_t rows, std::int64_t columns);

  std::int64_t scratch_bytes() const;
  std::int64_t tasks() const { return outer_ * strips_ * blocks_; }

  // What one task covers.
  struct Task {
    std::int64_t outer, row_begin, row_end, column_begin, column_count;
    std::int64_t fold;   // rows side by side; 1 where the strip is not a whole row
    float* accumulator;  // [fold * column_count]
  };
  Task task(std::int64_t index, float* scratch) const;

  // result[outer, column] = factor * sum. x is f32 or bf16.
  void run(const Stream& stream, const void* x, DType dtype, float* scratch, float divisor,
           float* result) const;

  // For sums of something computed: body(task) adds to the task's accumulator, which begins as
  // zeros; combine() then adds the accumulators up.
  template <class Body>
  void for_each_task(const Stream& stream, float* scratch, const Body& body) const {
    parallel_for(stream, tasks(), std::min(block_rows_, rows_) * strip_,
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t i = begin; i < end; ++i) {
                     const Task current = task(i, scratch);
                     std::fill_n(current.accumulator, width_, 0.0f);
                     body(current);
                   }
                 });
  }
  void combine(const Stream& stream, float* scratch, float divisor, float* result) const;

 private:
  std::int64_t outer_, rows_, columns_;
  std::int64_t strip_, strips_;  // columns of a strip, number of strips
  std::int64_t fold_;            // rows side by side
  std::int64_t block_rows_, blocks_;
  std::int64_t width_;  // of an accumulator
};

}  // namespace engine::cpu
