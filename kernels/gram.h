#pragma once

#include <memory>

#include "engine/core/graph.h"

namespace engine {

// Products of all pairs of channels, summed over everything else.
//   y[i, j] = scale * sum over p of x[p, i] x[p, j]
// Shapes: x [..., c], of rank 2 or more -> [c, c], symmetric.
// Dtypes: x f32 or bf16 (matrix class), y f32; the sum is in f32.
// Gradients: x: dx = scale * x (dy + dy^T), one product where two transposed ones would be needed
//   if y were written as a matmul.
// Numerics: the same bits in every run with the same thread count. NaN in x reaches its row and
//   column of y.
// Scratch: that of matmul; the gradient's also holds scale (dy + dy^T) in x's type.
// Source: Gatys, Ecker and Bethge 2015, arXiv:1508.06576, equation 3.
Value gram(const Value& x, float scale = 1);

// x seen as [rows, channels].
struct GramProblem {
  std::int64_t rows = 0, channels = 0;
  float scale = 1;
};

namespace cpu {
std::unique_ptr<Kernel> prepare_gram(const GramProblem& problem, const PrepareContext& context);
// (dy, x) -> dx
std::unique_ptr<Kernel> prepare_gram_backward(const GramProblem& problem,
                                              const PrepareContext& context);
}  // namespace cpu
namespace cuda {
std::unique_ptr<Kernel> prepare_gram(const GramProblem& problem, const PrepareContext& context);
// (dy, x) -> dx
std::unique_ptr<Kernel> prepare_gram_backward(const GramProblem& problem,
                                              const PrepareContext& context);
}  // namespace cuda

}  // namespace engine
