#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "engine/core/cuda/launch.h"
#include "max_pool.h"
#include "planted_bug.h"

namespace engine::samples {
namespace {

constexpr int kThreads = 128;

template <class T>
struct alignas(sizeof(T) * 8) Eight {
  T v[8];
};

__device__ __forceinline__ float to_float(float x) {
  return x;
}
__device__ __forceinline__ float to_float(__half x) {
  return __half2float(x);
}
__device__ __forceinline__ float to_float(__nv_bfloat16 x) {
  return __bfloat162float(x);
}

// A thread makes 8 neighbouring channels of one output pixel.
template <class T>
__global__ void __launch_bounds__(kThreads)
    max_pool_kernel(const T* __restrict__ x, T* __restrict__ y, int* __restrict__ argmax,
                    MaxPool p) {
  const int c8 = p.c / 8;
  const long total = static_cast<long>(p.n) * p.oh * p.ow * c8;
  const long step = static_cast<long>(gridDim.x) * blockDim.x;
  const int last_row = planted(Bug::kMaxPoolEdge) ? p.h : p.h - 1;
  for (long i = blockIdx.x * static_cast<long>(blockDim.x) + threadIdx.x; i < total; i += step) {
    const int channel = static_cast<int>(i % c8) * 8;
    const long pixel = i / c8;
    const int ow = static_cast<int>(pixel % p.ow), oh = static_cast<int>(pixel / p.ow % p.oh);
    const long n = pixel / p.ow / p.oh;
    float best[8];
    int at[8];
    Eight<T> chosen;
#pragma unroll
    for (int k = 0; k < 8; k++) {
      best[k] = -INFINITY;
      at[k] = -1;
    }
    for (int r = 0; r < p.kh; r++) {
      for (int s = 0; s < p.kw; s++) {
        const int ih = oh * p.stride_h - p.padding_h + r, iw = ow * p.stride_w - p.padding_w + s;
        if (ih < 0 || ih > last_row || iw < 0 || iw >= p.w) continue;
        const T* from = x + ((n * p.h + ih) * p.w + iw) * p.c + channel;
        const Eight<T> v = *reinterpret_cast<const Eight<T>*>(from);  // mistake: edge
#pragma unroll
        for (int k = 0; k < 8; k++) {
          const float value = to_float(v.v[k]);
          if (value > best[k]) {
            best[k] = value;
            at[k] = ih * p.w + iw;
            chosen.v[k] = v.v[k];
          }
        }
      }
    }
    *reinterpret_cast<Eight<T>*>(y + i * 8) = chosen;
#pragma unroll
    for (int k = 0; k < 8; k++) argmax[i * 8 + k] = at[k];
  }
}

}  // namespace

template <class T>
void max_pool(const T* x, T* y, int* argmax, const MaxPool& pool) {
  const long threads = static_cast<long>(pool.n) * pool.oh * pool.ow * pool.c / 8;
  const cuda::LaunchConfig config{
      .grid = static_cast<unsigned>((threads + kThreads - 1) / kThreads), .block = kThreads};
  ENGINE_LAUNCH(max_pool_kernel<T>, config, nullptr, x, y, argmax, pool);
}
template void max_pool(const float*, float*, int*, const MaxPool&);
template void max_pool(const __half*, __half*, int*, const MaxPool&);
template void max_pool(const __nv_bfloat16*, __nv_bfloat16*, int*, const MaxPool&);

}  // namespace engine::samples
