#pragma once

// What the products on CUDA do with their f32 sums: bias, activation, rounding, or sums of parts.
#include <cstdint>

#include "engine/core/cuda/device_code.h"
#include "engine/kernels/matmul_choice.h"

namespace engine::cuda {

// Of one product: y [m, n], or the sums of each part of k [splits, m, n].
template <class Y>
struct MatmulOutput {
  Y* y;
  float* parts;       // null: y is written
  const float* bias;  // [n] or null
  int m, n;
  bool relu;
  bool is_aligned;  // four neighbours may be written at once

  // NaN stays.
  __device__ float finish(float sum, int column) const {
    if (bias != nullptr) sum += bias[column];
    return relu && sum < 0 ? 0.0f : sum;
  }

  // kCount neighbours of one row; those outside are left out.
  template <int kCount>
  __device__ void write(const float (&sums)[kCount], int part, int row, int column) const {
    if (row >= m || column >= n) return;
    const std::int64_t at = static_cast<std::int64_t>(row) * n + column;
    if (parts != nullptr) {
      write_to<kCount>(sums, parts + static_cast<std::int64_t>(part) * m * n + at, column);
      return;
    }
    float finished[kCount];
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      finished[i] = column + i < n ? finish(sums[i], column + i) : 0.0f;
    }
    write_to<kCount>(finished, y + at, column);
  }

 private:
  template <int kCount, class T>
  __device__ void write_to(const float (&values)[kCount], T* to, int column) const {
    if (is_aligned) {
      Pack<T, kCount> pack;
#pragma unroll
      for (int i = 0; i < kCount; ++i) pack.values[i] = store<T>(values[i]);
      *reinterpret_cast<Pack<T, kCount>*>(to) = pack;
      return;
    }
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      if (column + i < n) to[i] = store<T>(values[i]);
    }
  }
};

// The output of a product whose choice may split k; `buffers` are the op's.
template <class Y>
MatmulOutput<Y> matmul_output(const MatmulProblem& problem, Activation activation,
                              const MatmulChoice& choice, const Buffers& buffers) {
  Y* y = buffers.out<Y>(0);
  return {.y = y,
          .parts = choice.splits > 1 ? static_cast<float*>(buffers.scratch) : nullptr,
          .bias = buffers.inputs.size() > 2 ? buffers.in<float>(2) : nullptr,
          .m = static_cast<int>(problem.m),
          .n = static_cast<int>(problem.n),
          .relu = activation == Activation::relu,
          .is_aligned = problem.n % 4 == 0 && fits_pack<Y, 4>(y, 0)};
}

// y from the sums of its parts, if there are any, added in their order.
template <class Y>
void launch_matmul_add_parts(const MatmulOutput<Y>& output, int parts, cudaStream_t stream);
extern template void launch_matmul_add_parts(const MatmulOutput<float>&, int, cudaStream_t);
extern template void launch_matmul_add_parts(const MatmulOutput<__nv_bfloat16>&, int, cudaStream_t);

}  // namespace engine::cuda
