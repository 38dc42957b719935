#pragma once

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
// On a CPU with AVX-512 and channels in thirty-twos only half of y is computed
//   (cpu/gram_panels.h); with bf16 denormal numbers then count as 0.
// Scratch: that of matmul, or for each thread half of y and a slab of x; the gradient's also holds
//   scale (dy + dy^T) in x's type.
// Source: Gatys, Ecker and Bethge 2015, arXiv:1508.06576, equation 3.
Value gram(const Value& x, float scale = 1);

// The gradient of gram with respect to x, seen by fusion rules. Inputs: dy f32 [c, c], x and, where
// it adds, a tensor as x that the gradient is added to in place (CPU only).
class GramBackwardOp final : public Op {
 public:
  explicit GramBackwardOp(float scale, bool adds = false) : scale_(scale), adds_(adds) {}

  float scale() const { return scale_; }
  bool adds() const { return adds_; }

  std::string_view name() const override { return "gram_backward"; }
  std::string attributes() const override;
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  PrecisionClass precision() const override { return PrecisionClass::matrix; }
  bool keeps_f32(int input) const override { return input == 0; }
  std::vector<InPlacePair> in_place() const override;
  Cost cost(std::span<const TensorType> inputs, std::span<const TensorType> outputs) const override;
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override;

 private:
  float scale_;
  bool adds_;
};

// x seen as [rows, channels].
struct GramProblem {
  std::int64_t rows = 0, channels = 0;
  float scale = 1;
};

// What a device adds to matmul's product, enqueued on the stream.
namespace cpu {
void gram_scale(const Stream& stream, const GramProblem& problem, float* y);  // y *= scale
// sum = scale (dy + dy^T), [channels, channels], f32 or bf16
void gram_symmetric_sum(const Stream& stream, const GramProblem& problem, const float* dy,
                        DType dtype, void* sum);
}  // namespace cpu
namespace cuda {
void gram_scale(const Stream& stream, const GramProblem& problem, float* y);
void gram_symmetric_sum(const Stream& stream, const GramProblem& problem, const float* dy,
                        DType dtype, void* sum);
}  // namespace cuda

}  // namespace engine
