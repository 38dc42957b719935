// The second stage of sums over many blocks. Not run on a GPU yet.
#include "engine/core/cuda/device_code.h"
#include "engine/core/cuda/launch.h"
#include "engine/kernels/cuda/block_sums.h"
#include "engine/kernels/cuda/sum_parts.h"

namespace engine::cuda {

namespace {

constexpr int kWidth = 8;  // floats: 32 bytes, the smallest piece that memory moves
constexpr int kHeight = 32;

// A block makes 8 neighbouring sums; 32 threads share each. Floor: the parts read once, which are
// in the L2 cache as a rule; then bound by latency, which is why a sum has many threads.
__global__ void __launch_bounds__(kWidth* kHeight)
    sum_parts_kernel(const float* parts, int part_count, std::int64_t count, float* y) {
  __shared__ float shared[kWidth * kHeight];
  const std::int64_t column = static_cast<std::int64_t>(blockIdx.x) * kWidth + threadIdx.x;
  float sum[1] = {};
  if (column < count) {
#pragma unroll 4
    for (int part = static_cast<int>(threadIdx.y); part < part_count; part += kHeight) {
      sum[0] += parts[part * count + column];
    }
  }
  add_along_block_y(sum, shared);
  if (threadIdx.y == 0 && column < count) y[column] = sum[0];
}

}  // namespace

void sum_parts(const Stream& stream, const float* parts, int part_count, std::int64_t count,
               float* y) {
  ENGINE_LAUNCH(
      sum_parts_kernel,
      (LaunchConfig{.grid = dim3(blocks_for(count, kWidth)), .block = dim3(kWidth, kHeight)}),
      stream_of(stream), parts, part_count, count, y);
}

}  // namespace engine::cuda
