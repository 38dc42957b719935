#pragma once

#include <iosfwd>

#include "engine/core/graph.h"
#include "engine/kernels/activation.h"

namespace engine {

struct MatmulOptions {
  bool transpose_a = false;
  bool transpose_b = false;
  bool f32_output = false;  // y is f32 whatever a is: for gradients of weights

  bool operator==(const MatmulOptions&) const = default;
};

// Matrix product op(a) op(b), where op transposes on request.
// Shapes: op(a) [m, k], op(b) [k, n] -> [m, n].
// Dtypes: a f32 or bf16, on CUDA f16 too, b the same or f32, y as a (matrix class); accumulates in
//   f32. Precision::tf32 rounds f32 factors to tf32.
// Gradients: a and b. The gradient of an input that is state (a parameter) asks for f32_output, so
//   that no rounding to bf16 lies between it and the optimizer.
// Numerics: the same bits in every run with the same thread count. NaN in a or b reaches y, through
//   the relu that fusion appends too.
// Scratch: where b is f32 and a is not, b in a's type; oneDNN's own; on CUDA the sums of parts of
//   k, where the product is split along k to fill the GPU.
// Throws: InvalidArgument with both shapes when they do not fit.
Value matmul(const Value& a, const Value& b, const MatmulOptions& options = {});

struct MatmulProblem {
  std::int64_t m = 0, k = 0, n = 0;
  MatmulOptions options;

  std::int64_t flops() const { return 2 * m * k * n; }
};
std::ostream& operator<<(std::ostream& out, const MatmulProblem& problem);

// Throws InvalidArgument with both shapes when they do not fit.
MatmulProblem matmul_problem(const Shape& a, const Shape& b, const MatmulOptions& options);

// The op behind matmul(), seen by fusion rules and backends. Inputs: a, b and maybe a bias f32 [n]
// that is added before the activation. With a bias or an activation it has no gradient.
class MatmulOp final : public Op {
 public:
  explicit MatmulOp(const MatmulOptions& options, Activation activation = Activation::none)
      : options_(options), activation_(activation) {}

  const MatmulOptions& options() const { return options_; }
  Activation activation() const { return activation_; }

  std::string_view name() const override { return "matmul"; }
  std::string attributes() const override;
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::vector<Value> gradient(const GradientContext& context) const override;
  PrecisionClass precision() const override { return PrecisionClass::matrix; }
  bool keeps_f32(int input) const override { return input == 2; }
  Cost cost(std::span<const TensorType> inputs, std::span<const TensorType> outputs) const override;
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override;

 private:
  MatmulOptions options_;
  Activation activation_;
};

namespace cpu {
std::unique_ptr<Kernel> prepare_matmul(const MatmulProblem& problem, Activation activation,
                                       const PrepareContext& context);
// y += a b for a product with terms and results, without bias; y is rounded once.
std::unique_ptr<Kernel> prepare_matmul_into_sum(const MatmulProblem& problem,
                                                const PrepareContext& context);
}  // namespace cpu
namespace cuda {  // the algorithm is kernels/matmul_choice.h's
std::unique_ptr<Kernel> prepare_matmul(const MatmulProblem& problem, Activation activation,
                                       const PrepareContext& context);
}  // namespace cuda

}  // namespace engine
