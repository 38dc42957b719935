#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>

#include "engine/core/gpu.h"
#include "engine/kernels/matmul.h"

// Which of the CUDA kernels makes a product: a pure function, so that it can be printed and tested.
namespace engine::cuda {

enum class MatmulAlgorithm : std::uint8_t {
  plain,     // f32 multiply-add, f32 or bf16: kernels/cuda/matmul_plain.cu
  mma,       // tensor cores of 8.x: bf16, f16, tf32: kernels/cuda/matmul_mma.h
  wgmma,     // 9.0, bf16, lines of whole 16 bytes: kernels/cuda/matmul_wgmma.cu
  cublaslt,  // the library, any type, no zero extent: kernels/cuda/matmul_cublaslt.cu
};
std::string_view name_of(MatmulAlgorithm algorithm);

struct MatmulQuery {
  MatmulProblem problem;
  DType in = DType::f32;   // of a, and of b once it is cast
  DType out = DType::f32;  // of y
  bool has_bias = false;
  Activation activation = Activation::none;
  bool allows_tf32 = false;  // where `in` is f32
  Gpu gpu;
  std::optional<MatmulAlgorithm> only;  // asked for, where it takes the problem (for benchmarks)
};

struct MatmulChoice {
  MatmulAlgorithm algorithm = MatmulAlgorithm::plain;
  int tile_m = 64, tile_n = 64;  // of y, what a block (wgmma 256x256: a cluster of two) makes
  int splits = 1;                // parts of k, summed in order through scratch

  bool operator==(const MatmulChoice&) const = default;
};
std::ostream& operator<<(std::ostream& out, const MatmulChoice& choice);  // plain 64x64, 8 splits

MatmulChoice choose_matmul(const MatmulQuery& query);

// The length of each part of k but the last one: a multiple of 64.
std::int64_t split_length(const MatmulProblem& problem, const MatmulChoice& choice);
// Of the parts' sums: f32 [splits, m, n]; none where there is one part.
std::int64_t split_bytes(const MatmulProblem& problem, const MatmulChoice& choice);

// The kernel that `choice` names; another one where that does not take the problem. mma rounds f32
// to tf32 whatever the context allows, cublaslt where it does.
std::unique_ptr<Kernel> prepare_matmul(const MatmulProblem& problem, Activation activation,
                                       const MatmulChoice& choice, const PrepareContext& context);

// Each algorithm; a and b have the same type.
std::unique_ptr<Kernel> prepare_matmul_plain(const MatmulProblem& problem, Activation activation,
                                             const MatmulChoice& choice,
                                             const PrepareContext& context);
std::unique_ptr<Kernel> prepare_matmul_mma(const MatmulProblem& problem, Activation activation,
                                           const MatmulChoice& choice,
                                           const PrepareContext& context);
// `instead` runs where these two cannot: they need addresses of whole 16 bytes.
std::unique_ptr<Kernel> prepare_matmul_wgmma(const MatmulProblem& problem, Activation activation,
                                             const MatmulChoice& choice,
                                             const PrepareContext& context,
                                             std::unique_ptr<Kernel> instead);
std::unique_ptr<Kernel> prepare_matmul_cublaslt(const MatmulProblem& problem, Activation activation,
                                                const PrepareContext& context,
                                                std::unique_ptr<Kernel> instead);

}  // namespace engine::cuda
