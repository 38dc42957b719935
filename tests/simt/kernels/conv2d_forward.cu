#include "conv2d_forward.h"
#include "engine/core/cuda/launch.h"
#include "engine/kernels/cuda/ptx/cp_async.h"
#include "engine/kernels/cuda/ptx/ldmatrix.h"
#include "engine/kernels/cuda/ptx/mma.h"
#include "planted_bug.h"

// Implicit GEMM on tensor cores of 8.0: m = output pixels, n = filters, k = r * s * c. A block of 2
// x 4 warps makes 128 x 128 outputs, a warp 64 x 32, in steps of 32 along k that a pipeline of 4
// stages brings into shared memory.
namespace engine::samples {
namespace {

using bf16 = __nv_bfloat16;

constexpr int kTileM = 128, kTileN = 128, kTileK = 32, kStages = 4, kThreads = 256;
constexpr int kRowBytes = kTileK * 2;
constexpr int kStageABytes = kTileM * kRowBytes, kStageBBytes = kTileN * kRowBytes;
constexpr int kSharedBytes = kStages * (kStageABytes + kStageBBytes);

__constant__ float alpha_constant[1];

// Rows of four 16-byte chunks, permuted so that eight rows touch all banks.
__device__ __forceinline__ std::uint32_t swizzled(int row, int chunk) {
  return static_cast<std::uint32_t>(row * kRowBytes + ((chunk ^ ((row >> 1) & 3)) << 4));
}

// The part of the tiles that one thread copies: chunk `chunk` of two rows of each operand.
class Loader {
 public:
  __device__ Loader(const bf16* x, const bf16* w, const Conv2d& p, int first_m, int first_n)
      : x_(x), w_(w), p_(p), first_n_(first_n) {
#pragma unroll
    for (int i = 0; i < 2; i++) {
      const int m = first_m + row(i);
      exists_[i] = m < p.n * p.oh * p.ow;
      const int pixel = exists_[i] ? m : 0;
      n_[i] = pixel / p.ow / p.oh;
      ih_[i] = pixel / p.ow % p.oh * p.stride - p.padding;
      iw_[i] = pixel % p.ow * p.stride - p.padding;
    }
  }

  __device__ void load(int step, std::uint32_t a, std::uint32_t b) const {
    const int steps_per_tap = p_.c / kTileK, tap = step / steps_per_tap;
    const int channel = (step - tap * steps_per_tap) * kTileK + chunk() * 8;
    const int r = tap / p_.s, s = tap - r * p_.s;
#pragma unroll
    for (int i = 0; i < 2; i++) {
      const int ih = ih_[i] + r, iw = iw_[i] + s;
      const bool inside = exists_[i] && ih >= 0 && ih < p_.h && iw >= 0 && iw < p_.w;
      const long pixel = (static_cast<long>(n_[i]) * p_.h + ih) * p_.w + iw;
      ptx::cp_async_or_zero<16>(a + swizzled(row(i), chunk()),
                                inside ? x_ + pixel * p_.c + channel : x_, inside);
      const long filter = first_n_ + row(i);
      const bool is_filter = filter < p_.k;
      const long at = (filter * p_.r * p_.s + tap) * p_.c + channel;
      ptx::cp_async_or_zero<16>(b + swizzled(row(i), chunk()), is_filter ? w_ + at : w_, is_filter);
    }
  }

 private:
  static __device__ int chunk() {
    return threadIdx.x & 3;
  }
  static __device__ int row(int i) {
    return static_cast<int>(threadIdx.x >> 2) + i * 64;
  }

  const bf16 *x_, *w_;
  const Conv2d& p_;
  int first_n_;
  int n_[2], ih_[2], iw_[2];
  bool exists_[2];
};

// One stage's share of a warp: 4 x 4 products of 16 x 8, two steps along k.
__device__ __forceinline__ void multiply_stage(float (&acc)[4][4][4], std::uint32_t a_tile,
                                               std::uint32_t b_tile, int warp_m, int warp_n) {
  const int lane = threadIdx.x & 31;
#pragma unroll
  for (int k = 0; k < kTileK / 16; k++) {
    std::uint32_t a[4][4], b[4][2];
#pragma unroll
    for (int i = 0; i < 4; i++) {
      const int row = warp_m * 64 + i * 16 + (lane & 15);
      ptx::ldmatrix(a[i], a_tile + swizzled(row, k * 2 + (lane >> 4)));  // mistake: wait
      if (planted(Bug::kConvFragment)) {
        const std::uint32_t other = a[i][1];
        a[i][1] = a[i][2];
        a[i][2] = other;
      }
    }
#pragma unroll
    for (int j = 0; j < 2; j++) {
      const int row = warp_n * 32 + j * 16 + (lane & 7) + ((lane >> 4) << 3);
      const int chunk = k * 2 + ((lane >> 3) & 1);
      std::uint32_t offset = swizzled(row, chunk);
      if (planted(Bug::kConvSwizzle)) {
        offset = static_cast<std::uint32_t>(row * kRowBytes + ((chunk ^ (row & 3)) << 4));
      }
      std::uint32_t two[4];
      ptx::ldmatrix(two, b_tile + offset);
      b[j * 2][0] = two[0];
      b[j * 2][1] = two[1];
      b[j * 2 + 1][0] = two[2];
      b[j * 2 + 1][1] = two[3];
    }
#pragma unroll
    for (int i = 0; i < 4; i++) {
#pragma unroll
      for (int j = 0; j < 4; j++) ptx::mma_m16n8k16_bf16(acc[i][j], a[i], b[j]);
    }
  }
}

__device__ __forceinline__ void store(const float (&acc)[4][4][4], const float* bias, bf16* y,
                                      const Conv2d& p, int first_m, int first_n) {
  const int lane = threadIdx.x & 31, pixels = p.n * p.oh * p.ow;
  const int end = planted(Bug::kConvEpilogue) ? pixels + 1 : pixels;
  const float alpha = alpha_constant[0];
#pragma unroll
  for (int i = 0; i < 4; i++) {
#pragma unroll
    for (int j = 0; j < 4; j++) {
      const int column = first_n + j * 8 + (lane & 3) * 2;
#pragma unroll
      for (int half = 0; half < 2; half++) {
        const int row = first_m + i * 16 + (lane >> 2) + half * 8;
        if (row >= end || column >= p.k) continue;
        const float2 shift = *reinterpret_cast<const float2*>(bias + column);
        float first = acc[i][j][half * 2] * alpha + shift.x;
        float second = acc[i][j][half * 2 + 1] * alpha + shift.y;
        if (p.relu) {
          first = fmaxf(first, 0.0f);
          second = fmaxf(second, 0.0f);
        }
        __nv_bfloat162* to =
            reinterpret_cast<__nv_bfloat162*>(y + static_cast<long>(row) * p.k + column);
        *to = __floats2bfloat162_rn(first, second);  // mistake: epilogue
      }
    }
  }
}

__global__ void __launch_bounds__(kThreads)
    conv2d_forward_kernel(const bf16* __restrict__ x, const bf16* __restrict__ w,
                          const float* __restrict__ bias, bf16* __restrict__ y, Conv2d p) {
  ENGINE_DYNAMIC_SHARED(bf16, shared);
  const std::uint32_t a_stages = ptx::shared_address(shared);
  const std::uint32_t b_stages = a_stages + kStages * kStageABytes;
  const int warp = threadIdx.x >> 5, warp_m = warp & 1, warp_n = warp >> 1;
  const int first_m = blockIdx.x * kTileM, first_n = blockIdx.y * kTileN;
  const Loader loader(x, w, p, first_m, first_n);
  const int steps = p.r * p.s * (p.c / kTileK);
  const auto load = [&](int step) {
    const int stage = step % kStages;
    loader.load(step, a_stages + stage * kStageABytes, b_stages + stage * kStageBBytes);
  };

  float acc[4][4][4];
#pragma unroll
  for (int i = 0; i < 4; i++) {
#pragma unroll
    for (int j = 0; j < 4; j++) {
#pragma unroll
      for (int e = 0; e < 4; e++) acc[i][j][e] = 0.0f;
    }
  }
#pragma unroll
  for (int step = 0; step < kStages - 1; step++) {
    if (step < steps) load(step);
    ptx::cp_async_commit();
  }
  for (int step = 0; step < steps; step++) {
    if (planted(Bug::kConvWait)) {
      ptx::cp_async_wait<kStages - 1>();
    } else {
      ptx::cp_async_wait<kStages - 2>();
    }
    if (!planted(Bug::kConvNoBarrier)) __syncthreads();
    if (step + kStages - 1 < steps) load(step + kStages - 1);
    ptx::cp_async_commit();
    const int stage = step % kStages;
    multiply_stage(acc, a_stages + stage * kStageABytes, b_stages + stage * kStageBBytes, warp_m,
                   warp_n);
  }
  ptx::cp_async_wait<0>();
  store(acc, bias, y, p, first_m + warp_m * 64, first_n + warp_n * 32);
}

}  // namespace

void conv2d_forward(const bf16* x, const bf16* w, const float* bias, bf16* y, const Conv2d& conv,
                    float alpha) {
  ENGINE_CUDA_CHECK(cudaMemcpyToSymbol(alpha_constant, &alpha, sizeof alpha));
  const int m = conv.n * conv.oh * conv.ow;
  const cuda::LaunchConfig config{
      .grid = dim3((m + kTileM - 1) / kTileM, (conv.k + kTileN - 1) / kTileN),
      .block = kThreads,
      .shared_bytes = kSharedBytes};
  ENGINE_LAUNCH(conv2d_forward_kernel, config, nullptr, x, w, bias, y, conv);
}

}  // namespace engine::samples
