// The second stage of sums over many blocks.
#include "engine/core/cuda/device_code.h"
#include "engine/core/cuda/launch.h"
#include "engine/kernels/cuda/block_sums.h"
#include "engine/kernels/cuda/sum_parts.h"

namespace engine::cuda {

namespace {

constexpr int kThreads = 256;
constexpr int kMostHeight = 32;  // leaves 32 bytes along x, the smallest piece that memory moves

// blockDim.y threads share each of blockDim.x neighbouring sums. Floor: the parts read once, which
// are in the L2 cache as a rule; then bound by latency, which is why a sum has many threads.
__global__ void __launch_bounds__(kThreads)
    sum_parts_kernel(const float* parts, int part_count, std::int64_t count, float* y) {
  __shared__ float shared[kThreads];
  const std::int64_t column = global_thread();
  float sum[1] = {};
  if (column < count) {
#pragma unroll 4
    for (int part = static_cast<int>(threadIdx.y); part < part_count;
         part += static_cast<int>(blockDim.y)) {
      sum[0] += parts[part * count + column];
    }
  }
  add_along_block_y(sum, shared);
  if (threadIdx.y == 0 && column < count) y[column] = sum[0];
}

}  // namespace

void sum_parts(const Stream& stream, const float* parts, int part_count, std::int64_t count,
               float* y) {
  int height = 1;
  while (height < kMostHeight && height < part_count) height *= 2;
  const int width = kThreads / height;
  ENGINE_LAUNCH(
      sum_parts_kernel,
      (LaunchConfig{.grid = dim3(blocks_for(count, width)),
                    .block = dim3(static_cast<unsigned>(width), static_cast<unsigned>(height))}),
      stream_of(stream), parts, part_count, count, y);
}

}  // namespace engine::cuda
