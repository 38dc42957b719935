#include <cooperative_groups.h>

#include "engine/core/cuda/launch.h"
#include "engine/kernels/cuda/ptx/atomic.h"
#include "planted_bug.h"
#include "reduce.h"

// Sums: shuffles, static and dynamic shared memory, atomics, cooperative groups, a last block.
namespace engine::samples {
namespace {

constexpr unsigned kAllLanes = 0xffffffffu;

__device__ __forceinline__ float warp_sum(float v) {
#pragma unroll
  for (int offset = 16; offset > 0; offset >>= 1) {
    v += __shfl_xor_sync(kAllLanes, v, offset);  // mistake: shuffle_mask
  }
  return v;
}

// Blocks stride over the elements, four at a time; the remainder one by one.
template <int kThreads>
__global__ void __launch_bounds__(kThreads)
    sum_kernel(const float* __restrict__ x, float* __restrict__ sum, int count) {
  __shared__ float partial[32];
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
  const int first = blockIdx.x * kThreads + threadIdx.x, step = gridDim.x * kThreads;
  float v = 0.0f;
  const float4* x4 = reinterpret_cast<const float4*>(x);
  for (int i = first; i < count / 4; i += step) {
    const float4 q = __ldg(x4 + i);
    v += (q.x + q.y) + (q.z + q.w);
  }
  const int end = planted(Bug::kReduceBound) ? count + 1 : count;
  for (int i = count / 4 * 4 + first; i < end; i += step) {
    v += x[i];  // mistake: bound
  }
  v = warp_sum(v);
  if (lane == 0) partial[warp] = v;
  if (planted(Bug::kReduceDivergentBarrier)) {
    if (threadIdx.x < kThreads / 2) __syncthreads();  // mistake: divergent_barrier
  } else if (!planted(Bug::kReduceNoBarrier)) {
    __syncthreads();
  }
  if (warp != 0) return;
  const bool exists = lane < kThreads / 32 || planted(Bug::kReduceUninitialised);
  v = exists ? partial[lane] : 0.0f;  // mistake: no_barrier, uninitialised
  if (!planted(Bug::kReduceShuffleMask) || lane < 16) v = warp_sum(v);
  if (lane != 0) return;
  if (planted(Bug::kReduceNoAtomic)) {
    *sum += v;  // mistake: no_atomic
  } else {
    atomicAdd(sum, v);
  }
}

__global__ void sum_tree_kernel(const float* x, float* sum, int count) {
  namespace cg = cooperative_groups;
  ENGINE_DYNAMIC_SHARED(float, values);
  const unsigned t = threadIdx.x, i = blockIdx.x * blockDim.x + t;
  values[t] = i < static_cast<unsigned>(count) ? x[i] : 0.0f;
  __syncthreads();
  for (unsigned stride = blockDim.x / 2; stride >= 32; stride >>= 1) {
    if (t < stride) values[t] += values[t + stride];
    __syncthreads();
  }
  if (t >= 32) return;
  const auto tile = cg::tiled_partition<16>(cg::this_thread_block());
  float v = values[t];
  if (planted(Bug::kReduceWarpSynchronous)) {
    values[t] += values[t ^ 16];  // mistake: warp_synchronous
    v = values[t & 15];
  }
  for (int offset = 8; offset > 0; offset >>= 1) v += tile.shfl_down(v, offset);
  if (tile.thread_rank() == 0) atomicAdd(sum, v);
}

// What a block wrote before its ticket is visible to the block that takes the last one.
__global__ void count_positive_kernel(const float* x, unsigned* partial, unsigned* ticket,
                                      unsigned* positive, int count) {
  __shared__ unsigned in_block;
  __shared__ bool is_last;
  if (threadIdx.x == 0) in_block = 0;
  __syncthreads();
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  const unsigned votes = __ballot_sync(kAllLanes, i < count && x[i] > 0.0f);
  if ((threadIdx.x & 31) == 0) atomicAdd(&in_block, static_cast<unsigned>(__popc(votes)));
  __syncthreads();
  if (threadIdx.x == 0) {
    partial[blockIdx.x] = in_block;
    is_last = ptx::add_acquire_release(ticket, 1) == gridDim.x - 1;
  }
  __syncthreads();
  if (!is_last || threadIdx.x >= 32) return;
  unsigned sum = 0;
  for (unsigned block = threadIdx.x; block < gridDim.x; block += 32) sum += partial[block];
  for (int offset = 16; offset > 0; offset >>= 1) sum += __shfl_xor_sync(kAllLanes, sum, offset);
  if (threadIdx.x == 0) {
    *positive = sum;
    *ticket = 0;
  }
}

unsigned blocks_of(int count, int threads) {
  return static_cast<unsigned>((count + threads - 1) / threads);
}

}  // namespace

void sum(const float* x, float* sum, int count, int blocks, cudaStream_t stream) {
  const cuda::LaunchConfig config{.grid = static_cast<unsigned>(blocks), .block = 256};
  ENGINE_LAUNCH(sum_kernel<256>, config, stream, x, sum, count);
}

void sum_by_tree(const float* x, float* sum, int count, cudaStream_t stream) {
  const cuda::LaunchConfig config{
      .grid = blocks_of(count, 256), .block = 256, .shared_bytes = 256 * sizeof(float)};
  ENGINE_LAUNCH(sum_tree_kernel, config, stream, x, sum, count);
}

void count_positive(const float* x, unsigned* partial, unsigned* ticket, unsigned* positive,
                    int count, cudaStream_t stream) {
  const cuda::LaunchConfig config{.grid = blocks_of(count, 128), .block = 128};
  ENGINE_LAUNCH(count_positive_kernel, config, stream, x, partial, ticket, positive, count);
}

}  // namespace engine::samples
