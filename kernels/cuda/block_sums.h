#pragma once

// Sums over the threads of a block, in an order that depends on the block's shape alone.
#include <cuda_runtime.h>

namespace engine::cuda {

// Adds up the sums of the threads of a column (of one threadIdx.x), in thread 0: pairs half the
// block's height apart, then a quarter, and so on; the height is a power of two. All threads take
// part. `shared` has N floats a thread, and is free again after a __syncthreads().
template <int N>
__device__ void add_along_block_y(float (&sum)[N], float* shared) {
  const int width = static_cast<int>(blockDim.x), y = static_cast<int>(threadIdx.y);
  float* own = shared + y * width * N + threadIdx.x;
#pragma unroll
  for (int i = 0; i < N; ++i) own[i * width] = sum[i];
  for (int half = static_cast<int>(blockDim.y) / 2; half > 0; half /= 2) {
    __syncthreads();
    if (y < half) {
#pragma unroll
      for (int i = 0; i < N; ++i) own[i * width] = sum[i] += own[(half * N + i) * width];
    }
  }
}

}  // namespace engine::cuda
