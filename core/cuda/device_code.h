#pragma once

// What most CUDA kernels of the library share. Storage type T and accumulator float are kept apart:
// load() widens, store<T>() rounds.
#include <cstdint>

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include "engine/core/dtype.h"
#include "engine/core/stream.h"

namespace engine::cuda {

inline cudaStream_t stream_of(const Stream& stream) {
  return static_cast<cudaStream_t>(stream.native_handle());
}

// Blocks of `threads` threads that cover `count` items, at least one item a thread.
inline unsigned blocks_for(std::int64_t count, int threads) {
  return static_cast<unsigned>((count + threads - 1) / threads);
}

// The index of this thread in a one-dimensional grid.
__device__ inline std::int64_t global_thread() {
  return static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}

__device__ inline float load(float value) {
  return value;
}
__device__ inline float load(__nv_bfloat16 value) {
  return __bfloat162float(value);
}
__device__ inline float load(__half value) {
  return __half2float(value);
}

template <class T>
__device__ T store(float value);
template <>
__device__ inline float store<float>(float value) {
  return value;
}
template <>
__device__ inline __nv_bfloat16 store<__nv_bfloat16>(float value) {
  return __float2bfloat16_rn(value);
}
template <>
__device__ inline __half store<__half>(float value) {
  return __float2half_rn(value);
}

// N neighbouring elements, moved by one access. 16 bytes are the widest.
template <class T, int N>
struct alignas(sizeof(T) * N) Pack {
  T values[N];
};

// Whether a pointer and a count allow whole packs.
template <class T, int N>
bool fits_pack(const void* pointer, std::int64_t count) {
  return count % N == 0 && reinterpret_cast<std::uintptr_t>(pointer) % sizeof(Pack<T, N>) == 0;
}

}  // namespace engine::cuda
