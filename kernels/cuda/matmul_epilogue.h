#pragma once

// What the products on CUDA do with their f32 sums: bias, activation, rounding, or sums of parts.
#include <cstdint>

#include "engine/core/cuda/device_code.h"
#include "engine/kernels/matmul_choice.h"

namespace engine::cuda {

// Of one product: y [m, n], or the sums of each part of k [splits, m, n].
struct MatmulOutput {
  void* y;
  float* parts;       // null: y is written
  const float* bias;  // [n] or null
  int m, n;
  DType dtype;  // of y
  bool has_relu;
  bool is_aligned;  // four neighbours may be written at once

  // kCount (2 or 4) neighbours of one row; those outside are left out.
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
      const float biased = bias != nullptr && column + i < n ? sums[i] + bias[column + i] : sums[i];
      finished[i] = has_relu && biased < 0 ? 0.0f : biased;  // NaN stays
    }
    if (dtype == DType::f32) {
      write_to<kCount>(finished, static_cast<float*>(y) + at, column);
    } else if (dtype == DType::bf16) {
      write_to<kCount>(finished, static_cast<__nv_bfloat16*>(y) + at, column);
    } else {
      write_to<kCount>(finished, static_cast<__half*>(y) + at, column);
    }
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
MatmulOutput matmul_output(const MatmulProblem& problem, Activation activation,
                           const MatmulChoice& choice, DType out, const Buffers& buffers);

// y from the sums of its parts, if there are any, added in their order.
void launch_matmul_add_parts(const MatmulOutput& output, int parts, cudaStream_t stream);

}  // namespace engine::cuda
