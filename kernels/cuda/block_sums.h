#pragma once

// Sums, and the like, over the threads of a block, in an order that depends on the block's shape
// alone.
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

struct Total {
  template <class T>
  __device__ static T apply(T a, T b) {
    return a + b;
  }
};

// Of the values of `lanes` neighbouring threads of a warp, a power of two; each of them gets it.
// All threads of the warp take part.
template <class Operation, class T>
__device__ T combine_lanes(T value, int lanes = 32) {
  for (int offset = lanes / 2; offset > 0; offset /= 2) {
    value = Operation::apply(value, __shfl_xor_sync(0xffffffffu, value, offset));
  }
  return value;
}

// Of the values of all threads of a block of kThreads, which lie along x: within warps, then warp
// by warp. Each of them gets it.
template <class Operation, int kThreads, int N, class T>
__device__ void combine_block(T (&values)[N]) {
  constexpr int kWarps = kThreads / 32;
  __shared__ T shared[kWarps][N];
  const int thread = static_cast<int>(threadIdx.x);
#pragma unroll
  for (int i = 0; i < N; ++i) {
    values[i] = combine_lanes<Operation>(values[i]);
    if (thread % 32 == 0) shared[thread / 32][i] = values[i];
  }
  __syncthreads();
#pragma unroll
  for (int i = 0; i < N; ++i) {
    values[i] = shared[0][i];
#pragma unroll
    for (int warp = 1; warp < kWarps; ++warp) {
      values[i] = Operation::apply(values[i], shared[warp][i]);
    }
  }
  __syncthreads();
}

}  // namespace engine::cuda
