#pragma once

// The operands of a product as its CUDA kernels read them.
#include <cstdint>

#include "engine/core/cuda/device_code.h"
#include "engine/kernels/matmul_choice.h"

namespace engine::cuda {

// op(a) or op(b) as rows along m or n and terms along k; one of the two is contiguous.
template <class T>
struct MatmulOperand {
  const T* data;
  std::int64_t line;  // elements between neighbours along the other one
  int rows;
  bool is_along_terms;
  bool is_aligned;  // 16 bytes, of plain's f32 tiles four elements, may be read at once; they are
                    // all inside or all outside

  __device__ const T* at(int row, int term) const {
    return is_along_terms ? data + row * line + term : data + term * line + row;
  }
};

struct MatmulTerms {
  int count;     // k
  int per_part;  // of a split, a multiple of 64
};

// kPack: elements that are read at once.
template <class T, int kPack>
MatmulOperand<T> matmul_operand(const void* data, std::int64_t rows, std::int64_t terms,
                                bool is_along_terms) {
  const std::int64_t line = is_along_terms ? terms : rows;
  return {.data = static_cast<const T*>(data),
          .line = line,
          .rows = static_cast<int>(rows),
          .is_along_terms = is_along_terms,
          .is_aligned = fits_pack<T, kPack>(data, line)};
}

template <class T, int kPack>
MatmulOperand<T> matmul_a(const MatmulProblem& problem, const Buffers& buffers) {
  return matmul_operand<T, kPack>(buffers.inputs[0], problem.m, problem.k,
                                  !problem.options.transpose_a);
}
template <class T, int kPack>
MatmulOperand<T> matmul_b(const MatmulProblem& problem, const Buffers& buffers) {
  return matmul_operand<T, kPack>(buffers.inputs[1], problem.n, problem.k,
                                  problem.options.transpose_b);
}

inline MatmulTerms matmul_terms(const MatmulProblem& problem, const MatmulChoice& choice) {
  return {.count = static_cast<int>(problem.k),
          .per_part = static_cast<int>(split_length(problem, choice))};
}

inline dim3 matmul_grid(const MatmulProblem& problem, const MatmulChoice& choice) {
  const std::int64_t rows = (problem.m + choice.tile_m - 1) / choice.tile_m;
  const std::int64_t columns = (problem.n + choice.tile_n - 1) / choice.tile_n;
  return dim3(static_cast<unsigned>(rows * columns), static_cast<unsigned>(choice.splits));
}

}  // namespace engine::cuda
