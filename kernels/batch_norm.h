#pragma once

#include <memory>

#include "engine/core/graph.h"

namespace engine {

struct BatchNormResult {
  Value y;         // x's shape and dtype
  Value mean;      // f32 [c], of this batch
  Value variance;  // f32 [c], of this batch, biased (divided by the count)
};

// Normalisation over all axes but the last with this batch's statistics.
//   y = (x - mean) / sqrt(variance + epsilon) * scale + shift
// Shapes: x [..., c], scale and shift f32 [c]. Dtypes: x f32 or bf16 (follow), statistics f32.
// Gradients: x, scale, shift, through y only. The statistics are combined from blocks whose size
// depends on the shape alone, each around its own mean: a mean far from zero costs no accuracy, and
// the bits are the same for every thread count.
// Source: Ioffe and Szegedy 2015, arXiv:1502.03167, algorithm 1; blocks as in Chan, Golub and
// LeVeque 1979, "Updating formulae and a pairwise algorithm for computing sample variances".
BatchNormResult batch_norm_training(const Value& x, const Value& scale, const Value& shift,
                                    float epsilon);

// The same with given statistics. Gradients: x, scale, shift.
Value batch_norm_inference(const Value& x, const Value& scale, const Value& shift,
                           const Value& mean, const Value& variance, float epsilon);

namespace cpu {
struct BatchNormProblem {
  std::int64_t rows = 0;  // values per channel
  std::int64_t channels = 0;
  DType dtype = DType::f32;  // of x, y, dy, dx
  float epsilon = 0;
};
// (x, scale, shift) -> y, mean, variance
std::unique_ptr<Kernel> prepare_batch_norm_training(const BatchNormProblem& problem);
// (x, scale, shift, mean, variance) -> y
std::unique_ptr<Kernel> prepare_batch_norm_inference(const BatchNormProblem& problem);
// (dy, x, scale, mean, variance) -> dx, dscale, dshift
std::unique_ptr<Kernel> prepare_batch_norm_backward(const BatchNormProblem& problem);
}  // namespace cpu

namespace cuda {
std::unique_ptr<Kernel> prepare_batch_norm_training(const cpu::BatchNormProblem& problem);
std::unique_ptr<Kernel> prepare_batch_norm_inference(const cpu::BatchNormProblem& problem);
std::unique_ptr<Kernel> prepare_batch_norm_backward(const cpu::BatchNormProblem& problem);
}  // namespace cuda

}  // namespace engine
