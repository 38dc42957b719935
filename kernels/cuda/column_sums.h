#pragma once

// Per-column sums of a [outer, rows, columns] tensor, or of what a Source makes of it, in an order
// that depends on the extents alone. Rows are cut into chunks; a chunk is one task with partial
// sums of its own, and where there are several a second kernel combines them in double.
//
// A Source is passed to kernels by value and has
//   kElements            elements of a pack
//   kSums                numbers that belong to a column
//   begin(column)        once a thread: its columns are (column + i) % columns
//   add<is_whole>(element, left, count, sums)
//                        adds the pack at `element`, of which `left` elements exist, as the
//                        count-th of its columns; is_whole: all exist and may be loaded as a pack
//   end(i, count, sums)  column i of the pack has had `count` elements
//   merge(a, b)          adds the sums b to a; float or double
//   finish(outer, column, sums)  writes the results
#include <algorithm>
#include <cstdint>
#include <numeric>

#include "engine/core/cuda/launch.h"
#include "engine/kernels/cuda/packs.h"

namespace engine::cuda {

constexpr int kColumnThreads = 256;

// `lanes` threads take `width` neighbouring elements at a time: whole rows where a number of rows
// fills the width exactly (`fold` of them), else a strip of one row.
struct ColumnPlan {
  std::int64_t outer, rows, columns;
  std::int64_t strips, chunks, chunk_rows;
  int lanes, groups;  // threads of a task, tasks of a block
  int width, fold;
  bool is_strip;  // of one row
  std::int64_t tasks() const { return outer * strips * chunks; }
};

inline ColumnPlan column_plan(std::int64_t outer, std::int64_t rows, std::int64_t columns,
                              int pack) {
  constexpr std::int64_t kTasks = 1024;         // that fill a GPU
  constexpr std::int64_t kLeastIterations = 4;  // of a thread, where rows are many
  constexpr std::int64_t kSingleChunk = 8;      // iterations for which one launch is best
  ColumnPlan plan{.outer = columns == 0 ? 0 : outer, .rows = rows, .columns = columns};
  columns = std::max<std::int64_t>(columns, 1);
  const std::int64_t unit = columns / std::gcd(columns, std::int64_t{pack});
  plan.is_strip = unit > kColumnThreads;
  if (plan.is_strip) {
    const std::int64_t packs = (columns + pack - 1) / pack;
    plan.strips = (packs + kColumnThreads - 1) / kColumnThreads;
    plan.lanes = static_cast<int>((packs + plan.strips - 1) / plan.strips);
    plan.fold = 1;
  } else {
    const std::int64_t useful = rows * columns / (unit * pack * kLeastIterations) + 1;
    plan.strips = 1;
    plan.lanes = static_cast<int>(unit * std::min(useful, kColumnThreads / unit));
    plan.fold = static_cast<int>(plan.lanes * pack / columns);
  }
  plan.width = plan.lanes * pack;
  const std::int64_t iterations = (rows + plan.fold - 1) / plan.fold;
  const std::int64_t others = std::max<std::int64_t>(plan.outer * plan.strips, 1);
  std::int64_t chunks = 1;
  if (iterations > kSingleChunk) {
    chunks = std::min((iterations + kLeastIterations - 1) / kLeastIterations,
                      (kTasks + others - 1) / others);
  }
  const std::int64_t chunk_iterations =
      std::max<std::int64_t>((iterations + chunks - 1) / chunks, 1);
  plan.chunk_rows = chunk_iterations * plan.fold;
  plan.chunks = std::max<std::int64_t>((iterations + chunk_iterations - 1) / chunk_iterations, 1);
  plan.groups =
      static_cast<int>(std::clamp<std::int64_t>(plan.tasks(), 1, kColumnThreads / plan.lanes));
  return plan;
}

// A task of the plan as one of its threads sees it.
struct ColumnTask {
  std::int64_t outer, chunk, column;  // column: the first one of the task
  std::int64_t element;               // the thread's first one
  std::int64_t left;                  // elements from there to the end of the chunk, or of the row
  std::int64_t iterations, whole;     // packs of the thread, those of them that exist whole
};

__device__ inline ColumnTask column_task(const ColumnPlan& plan, std::int64_t index, int pack) {
  ColumnTask task;
  task.chunk = index % plan.chunks;
  const std::int64_t strip = index / plan.chunks % plan.strips;
  task.outer = index / plan.chunks / plan.strips;
  task.column = strip * plan.width;
  const std::int64_t first = static_cast<std::int64_t>(threadIdx.x) * pack;
  const std::int64_t begin = task.chunk * plan.chunk_rows;
  const std::int64_t rows = min(plan.chunk_rows, plan.rows - begin);
  task.element = (task.outer * plan.rows + begin) * plan.columns + task.column + first;
  if (plan.is_strip) {
    task.left = plan.columns - task.column - first;
    task.iterations = task.left > 0 ? rows : 0;
    task.whole = task.left >= pack ? rows : 0;
  } else {
    task.left = rows * plan.columns - first;
    task.iterations = task.left > 0 ? (task.left + plan.width - 1) / plan.width : 0;
    task.whole = task.left >= pack ? (task.left - pack) / plan.width + 1 : 0;
  }
  return task;
}

// Adds up the folded rows of each task of the block, pairwise; the sums of its columns are then
// at the beginning of its part of `shared`. All threads of the block take part.
template <class Source, int kCount>
__device__ void fold_rows(const ColumnPlan& plan, int part,
                          float (&shared)[Source::kSums][kCount]) {
  constexpr int kSums = Source::kSums;
  const int columns = plan.width / plan.fold;
  for (int rows = plan.fold; rows > 1;) {
    const int half = (rows + 1) / 2;
    for (int i = static_cast<int>(threadIdx.x); i < (rows - half) * columns; i += plan.lanes) {
      float a[kSums], b[kSums];
#pragma unroll
      for (int k = 0; k < kSums; ++k) {
        a[k] = shared[k][part + i];
        b[k] = shared[k][part + half * columns + i];
      }
      Source::merge(a, b);
#pragma unroll
      for (int k = 0; k < kSums; ++k) shared[k][part + i] = a[k];
    }
    rows = half;
    __syncthreads();
  }
}

// `lanes` threads along x do one task, a pack of 16 bytes after the other, `width` elements apart;
// tasks of a block lie along y. Floor: what the Source reads, once.
template <class Source>
__global__ void __launch_bounds__(kColumnThreads)
    column_sums_kernel(Source source, const __grid_constant__ ColumnPlan plan, bool is_aligned,
                       float* partials) {
  constexpr int kSums = Source::kSums, kElements = Source::kElements;
  __shared__ float shared[kSums][kColumnThreads * kElements];
  const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
  const bool exists = index < plan.outer * plan.strips * plan.chunks;
  const ColumnTask task = column_task(plan, exists ? index : 0, kElements);
  const int part = static_cast<int>(threadIdx.y) * plan.width;

  float sums[kSums][kElements] = {};
  const std::int64_t step = plan.is_strip ? plan.columns : plan.width;
  source.begin((task.column + threadIdx.x * kElements) % plan.columns);
  const std::int64_t whole = is_aligned ? task.whole : 0;
#pragma unroll 4
  for (std::int64_t i = 0; i < whole; ++i) {
    source.template add<true>(task.element + i * step, kElements, i + 1, sums);
  }
  const std::int64_t used = plan.is_strip ? 0 : plan.width;
  for (std::int64_t i = whole; i < task.iterations; ++i) {
    source.template add<false>(task.element + i * step, task.left - i * used, i + 1, sums);
  }
#pragma unroll
  for (int i = 0; i < kElements; ++i) {
    // The last pack may have part of its columns only.
    const bool is_short = task.left - (task.iterations - 1) * used <= i;
    source.end(i, task.iterations - (is_short && task.iterations > 0 ? 1 : 0), sums);
  }
  const int first = part + static_cast<int>(threadIdx.x) * kElements;
#pragma unroll
  for (int k = 0; k < kSums; ++k) {
#pragma unroll
    for (int i = 0; i < kElements; ++i) shared[k][first + i] = sums[k][i];
  }
  __syncthreads();
  fold_rows<Source>(plan, part, shared);

  const int columns = static_cast<int>(
      min(static_cast<std::int64_t>(plan.width / plan.fold), plan.columns - task.column));
  for (int i = static_cast<int>(threadIdx.x); exists && i < columns; i += plan.lanes) {
    float totals[kSums];
#pragma unroll
    for (int k = 0; k < kSums; ++k) totals[k] = shared[k][part + i];
    if (plan.chunks == 1) {
      source.finish(task.outer, task.column + i, totals);
    } else {
      float* to = partials + (task.outer * plan.chunks + task.chunk) * kSums * plan.columns;
#pragma unroll
      for (int k = 0; k < kSums; ++k) to[k * plan.columns + task.column + i] = totals[k];
    }
  }
}

// A block has blockDim.x neighbouring columns; thread y of each adds up chunks y, y + blockDim.y,
// ..., then the threads' sums are added pairwise. Floor: the partial sums read once.
template <class Source>
__global__ void __launch_bounds__(kColumnThreads)
    combine_columns_kernel(Source source, const float* partials, std::int64_t columns,
                           std::int64_t chunks) {
  constexpr int kSums = Source::kSums;
  __shared__ double shared[kSums][kColumnThreads];
  const std::int64_t strips = (columns + blockDim.x - 1) / blockDim.x;
  const std::int64_t outer = blockIdx.x / strips;
  const std::int64_t column = blockIdx.x % strips * blockDim.x + threadIdx.x;
  const unsigned at = threadIdx.y * blockDim.x + threadIdx.x;
  double totals[kSums] = {};
  if (column < columns) {
    const float* from = partials + outer * chunks * kSums * columns + column;
#pragma unroll 4
    for (std::int64_t chunk = threadIdx.y; chunk < chunks; chunk += blockDim.y) {
      double sums[kSums];
#pragma unroll
      for (int k = 0; k < kSums; ++k) sums[k] = from[(chunk * kSums + k) * columns];
      Source::merge(totals, sums);
    }
  }
#pragma unroll
  for (int k = 0; k < kSums; ++k) shared[k][at] = totals[k];
  for (unsigned half = blockDim.y / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.y < half) {
      double others[kSums];
#pragma unroll
      for (int k = 0; k < kSums; ++k) others[k] = shared[k][at + half * blockDim.x];
      Source::merge(totals, others);
#pragma unroll
      for (int k = 0; k < kSums; ++k) shared[k][at] = totals[k];
    }
  }
  if (threadIdx.y == 0 && column < columns) source.finish(outer, column, totals);
}

template <class Source>
std::int64_t column_scratch_bytes(const ColumnPlan& plan) {
  if (plan.chunks == 1) return 0;
  return plan.outer * plan.chunks * plan.columns * Source::kSums *
         static_cast<std::int64_t>(sizeof(float));
}

// is_aligned: what the Source reads begins at multiples of 16 bytes.
template <class Source>
void sum_columns(const ColumnPlan& plan, const Source& source, bool is_aligned, void* scratch,
                 const Stream& stream) {
  // Whole packs must stay aligned from one row, or one slice, to the next.
  const std::int64_t period = plan.is_strip ? plan.columns : plan.rows * plan.columns;
  const bool has_packs =
      is_aligned && ((!plan.is_strip && plan.outer == 1) || period % Source::kElements == 0);
  auto* partials = static_cast<float*>(scratch);
  launch("column_sums_kernel", column_sums_kernel<Source>,
         {.grid = dim3(blocks_for(plan.tasks(), plan.groups)),
          .block = dim3(static_cast<unsigned>(plan.lanes), static_cast<unsigned>(plan.groups))},
         stream_of(stream), source, plan, has_packs, partials);
  if (plan.chunks == 1) return;
  unsigned width = 1;
  while (width < 32 && width < plan.columns) width *= 2;
  unsigned height = 1;
  while (height * width < kColumnThreads && height < plan.chunks) height *= 2;
  const std::int64_t strips = (plan.columns + width - 1) / width;
  launch("combine_columns_kernel", combine_columns_kernel<Source>,
         {.grid = dim3(static_cast<unsigned>(plan.outer * strips)), .block = dim3(width, height)},
         stream_of(stream), source, partials, plan.columns, plan.chunks);
}

}  // namespace engine::cuda
