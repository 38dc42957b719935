// What gram and its gradient do beside matmul's product.
#include <cstdint>

#include "engine/core/cuda/launch.h"
#include "engine/kernels/cuda/packs.h"
#include "engine/kernels/gram.h"

namespace engine::cuda {

namespace {

constexpr int kThreads = 256;
constexpr int kPack = kPackElements<float>;
constexpr int kTile = 32, kTileRows = 8;

// A thread does one pack. Floor: y read and written once, which the product left in L2.
__global__ void __launch_bounds__(kThreads)
    scale_kernel(float* y, float scale, std::int64_t count, bool is_aligned) {
  const std::int64_t first = kPack * global_thread();
  float values[kPack];
  load_pack(y, first, count, is_aligned, values);
#pragma unroll
  for (int i = 0; i < kPack; ++i) values[i] *= scale;
  store_pack(y, first, count, is_aligned, values);
}

// sum = scale (dy + dy^T). A block makes a tile of 32 x 32, and reads the mirrored tile through
// shared memory so that both are read along rows. Floor: dy read twice, the sum written once.
template <class T>
__global__ void __launch_bounds__(kTile* kTileRows)
    symmetric_sum_kernel(const float* dy, float scale, T* sum, std::int64_t channels) {
  __shared__ float mirrored[kTile][kTile + 1];
  const std::int64_t row = std::int64_t{blockIdx.y} * kTile;
  const std::int64_t column = std::int64_t{blockIdx.x} * kTile;
  const int x = static_cast<int>(threadIdx.x);
#pragma unroll 2
  for (int y = static_cast<int>(threadIdx.y); y < kTile; y += kTileRows) {
    if (column + y < channels && row + x < channels) {
      mirrored[y][x] = dy[(column + y) * channels + row + x];
    }
  }
  __syncthreads();
#pragma unroll 2
  for (int y = static_cast<int>(threadIdx.y); y < kTile; y += kTileRows) {
    if (row + y < channels && column + x < channels) {
      const std::int64_t at = (row + y) * channels + column + x;
      sum[at] = store<T>(scale * (dy[at] + mirrored[x][y]));
    }
  }
}

template <class T>
void symmetric_sum(const Stream& stream, const GramProblem& problem, const float* dy, T* sum) {
  const unsigned tiles = blocks_for(problem.channels, kTile);
  launch("symmetric_sum_kernel", symmetric_sum_kernel<T>,
         {.grid = dim3(tiles, tiles), .block = dim3(kTile, kTileRows)}, stream_of(stream), dy,
         problem.scale, sum, problem.channels);
}

}  // namespace

void gram_scale(const Stream& stream, const GramProblem& problem, float* y) {
  const std::int64_t count = problem.channels * problem.channels;
  ENGINE_LAUNCH(
      scale_kernel,
      (LaunchConfig{.grid = dim3(blocks_for(count, kThreads * kPack)), .block = dim3(kThreads)}),
      stream_of(stream), y, problem.scale, count, are_aligned(y));
}

void gram_symmetric_sum(const Stream& stream, const GramProblem& problem, const float* dy,
                        DType dtype, void* sum) {
  if (dtype == DType::f32) {
    symmetric_sum(stream, problem, dy, static_cast<float*>(sum));
  } else {
    symmetric_sum(stream, problem, dy, static_cast<__nv_bfloat16*>(sum));
  }
}

}  // namespace engine::cuda
