#include <cstdint>

#include "engine/core/cuda/launch.h"
#include "engine/kernels/cuda/ptx/barrier.h"
#include "engine/kernels/cuda/ptx/cp_async.h"
#include "mistakes.h"

// One small kernel for each mistake that the emulator has to find.
namespace engine::samples {
namespace {

__global__ void static_overflow_kernel(float* out) {
  __shared__ float first[32];
  __shared__ float second[32];
  const int t = threadIdx.x;
  second[t] = 1.0f;
  first[t + 1] = float(t);  // mistake: static_shared_overflow
  __syncthreads();
  out[t] = first[t] + second[t];
}

__global__ void dynamic_overflow_kernel(float* out, int beyond) {
  ENGINE_DYNAMIC_SHARED(float, values);
  const int t = threadIdx.x;
  values[t + beyond] = 1.0f;  // mistake: dynamic_shared_overflow
  __syncthreads();
  out[t] = values[t];
}

__global__ void misaligned_kernel(const float* x, float* out) {
  const float4 v = *reinterpret_cast<const float4*>(x + threadIdx.x);  // mistake: misaligned_vector
  out[threadIdx.x] = v.x + v.w;
}

__global__ void two_barriers_kernel(float* out) {
  if (threadIdx.x < 32) {
    __syncthreads();
  } else {
    __syncthreads();
  }
  out[threadIdx.x] = 1.0f;
}

__global__ void local_index_kernel(float* out, int at) {
  float values[8];
  for (int i = 0; i < 8; i++) values[i] = float(i);
  out[threadIdx.x] = values[at + threadIdx.x];  // mistake: local_array_index
}

__global__ void local_uninitialised_kernel(float* out, int written) {
  float values[8];
  for (int i = 0; i < written; i++) values[i] = float(i);
  out[threadIdx.x] = values[written];
}

__global__ void spin_kernel(volatile int* flag, float* out) {
  if (threadIdx.x == 0) {
    while (*flag == 0) {
    }
  } else {
    *flag = 1;
  }
  out[threadIdx.x] = 1.0f;
}

__global__ void polite_spin_kernel(int* flag, float* out) {
  if (threadIdx.x == 0) {
    while (atomicAdd(flag, 0) == 0) __nanosleep(20);
  } else {
    atomicExch(flag, 1);
  }
  out[threadIdx.x] = 1.0f;
}

__global__ void same_value_race_kernel(float* out) {
  __shared__ int flag;
  if (threadIdx.x % 32 == 0) flag = 7;  // mistake: same_value_race
  __syncthreads();
  out[threadIdx.x] = float(flag);
}

__global__ void neighbour_race_kernel(float* out) {
  out[threadIdx.x] = 1.0f;
  out[(threadIdx.x + 1) % blockDim.x] += 1.0f;  // mistake: race_with_neighbour
}

// Block 1 writes the other byte of the word in between.
__global__ void third_block_race_kernel(std::uint8_t* out) {
  out[blockIdx.x % 2] = 1;  // mistake: race_with_an_earlier_block
}

__global__ void named_barrier_kernel(float* out) {
  ptx::named_barrier_sync(1, threadIdx.x < 64 ? 128 : 64);  // mistake: named_barrier_counts
  out[threadIdx.x] = 1.0f;
}

__global__ void copy_not_waited_for_kernel(const float* x, float* out) {
  __shared__ __align__(16) float copied[128];
  ptx::cp_async<16>(ptx::shared_address(copied + threadIdx.x * 4), x + threadIdx.x * 4);
  ptx::cp_async_commit();
  __syncthreads();
  out[threadIdx.x] = copied[threadIdx.x];
}

__global__ void foreign_local_kernel(float* out) {
  float own = float(threadIdx.x);
  __shared__ float* shared;
  if (threadIdx.x == 0) shared = &own;
  __syncthreads();
  out[threadIdx.x] = *shared;  // mistake: foreign_local_variable
}

__global__ void empty_kernel() {}

}  // namespace

void run_mistake(Mistake mistake, float* x, float* out, int* flag) {
  using cuda::LaunchConfig;
  const LaunchConfig warp{.grid = 1, .block = 32};
  const LaunchConfig two_warps{.grid = 1, .block = 64};
  const LaunchConfig two_threads{.grid = 1, .block = 2};
  const LaunchConfig three_threads{.grid = 3, .block = 1};
  const LaunchConfig four_warps{.grid = 1, .block = 128};
  const LaunchConfig too_large{.grid = 3, .block = 2048};
  const LaunchConfig nothing{.grid = 0, .block = 32};
  LaunchConfig with_shared = warp;
  with_shared.shared_bytes = 128;
  switch (mistake) {
    case Mistake::kStaticOverflow:
      return ENGINE_LAUNCH(static_overflow_kernel, warp, nullptr, out);
    case Mistake::kDynamicOverflow:
      return ENGINE_LAUNCH(dynamic_overflow_kernel, with_shared, nullptr, out, 1);
    case Mistake::kMisaligned:
      return ENGINE_LAUNCH(misaligned_kernel, warp, nullptr, x, out);
    case Mistake::kTwoBarriers:
      return ENGINE_LAUNCH(two_barriers_kernel, two_warps, nullptr, out);
    case Mistake::kLocalIndex:
      return ENGINE_LAUNCH(local_index_kernel, warp, nullptr, out, 4);
    case Mistake::kLocalUninitialised:
      return ENGINE_LAUNCH(local_uninitialised_kernel, warp, nullptr, out, 4);
    case Mistake::kSpin:
      return ENGINE_LAUNCH(spin_kernel, two_threads, nullptr, flag, out);
    case Mistake::kPoliteSpin:
      return ENGINE_LAUNCH(polite_spin_kernel, two_threads, nullptr, flag, out);
    case Mistake::kSameValueRace:
      return ENGINE_LAUNCH(same_value_race_kernel, two_warps, nullptr, out);
    case Mistake::kNeighbourRace:
      return ENGINE_LAUNCH(neighbour_race_kernel, two_warps, nullptr, out);
    case Mistake::kThirdBlockRace:
      return ENGINE_LAUNCH(third_block_race_kernel, three_threads, nullptr,
                           reinterpret_cast<std::uint8_t*>(out));
    case Mistake::kNamedBarrier:
      return ENGINE_LAUNCH(named_barrier_kernel, four_warps, nullptr, out);
    case Mistake::kCopyNotWaitedFor:
      return ENGINE_LAUNCH(copy_not_waited_for_kernel, warp, nullptr, x, out);
    case Mistake::kForeignLocal:
      return ENGINE_LAUNCH(foreign_local_kernel, warp, nullptr, out);
    case Mistake::kTooManyThreads:
      return ENGINE_LAUNCH(empty_kernel, too_large, nullptr);
    case Mistake::kEmptyGrid:
      return ENGINE_LAUNCH(empty_kernel, nothing, nullptr);
  }
}

}  // namespace engine::samples
