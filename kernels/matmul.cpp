#include "engine/kernels/matmul.h"

#include <ostream>

#include "engine/core/structural_ops.h"

namespace engine {
namespace {

// Whether the value is persistent state, seen through reshapes and casts.
bool is_state(const Value& value) {
  const Node& node = value.node();
  if (node.op->effect() == Effect::reads_state) return true;
  const bool same_numbers = node.op->name() == "reshape" || node.op->name() == "cast";
  return same_numbers && is_state(node.inputs[0]);
}

// A product of values whose types may differ (bf16 data with f32 weights): f32 gives way.
Value mixed_product(const Value& a, const Value& b, const MatmulOptions& options) {
  if (a.dtype() == b.dtype() || b.dtype() == DType::f32) return matmul(a, b, options);
  return matmul(cast(a, b.dtype()), b, options);
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const MatmulProblem& problem) {
  return out << "m=" << problem.m << " k=" << problem.k << " n=" << problem.n
             << (problem.options.transpose_a ? " transpose_a" : "")
             << (problem.options.transpose_b ? " transpose_b" : "");
}

MatmulProblem matmul_problem(const Shape& a, const Shape& b, const MatmulOptions& options) {
  ENGINE_CHECK(a.rank() == 2 && b.rank() == 2, "matmul: a ", a, " and b ", b, " must be matrices");
  const bool ta = options.transpose_a, tb = options.transpose_b;
  MatmulProblem problem{
      .m = a[ta ? 1 : 0], .k = a[ta ? 0 : 1], .n = b[tb ? 0 : 1], .options = options};
  ENGINE_CHECK(problem.k == b[tb ? 1 : 0], "matmul: a ", a, (ta ? " transposed" : ""), " has ",
               problem.k, " columns, b ", b, (tb ? " transposed" : ""), " has ", b[tb ? 1 : 0],
               " rows");
  return problem;
}

std::string MatmulOp::attributes() const {
  std::string text =
      join("transpose_a=", options_.transpose_a, " transpose_b=", options_.transpose_b);
  if (options_.f32_output) text += " output=f32";
  if (activation_ != Activation::none) text += join(" activation=", name_of(activation_));
  return text;
}

std::vector<TensorType> MatmulOp::infer(std::span<const TensorType> inputs) const {
  ENGINE_CHECK(inputs.size() == 2 || inputs.size() == 3,
               "matmul: takes a, b and maybe a bias, got ", inputs.size(), " inputs");
  const TensorType &a = inputs[0], &b = inputs[1];
  ENGINE_CHECK(is_floating_point(a.dtype), "matmul: a ", a, " is not floating-point");
  ENGINE_CHECK(b.dtype == a.dtype || b.dtype == DType::f32, "matmul: b ", b, " with a ", a,
               "; it must have the same type or be f32");
  const MatmulProblem problem = matmul_problem(a.shape, b.shape, options_);
  if (inputs.size() == 3) {
    const TensorType wanted{{problem.n}, DType::f32};
    ENGINE_CHECK(inputs[2] == wanted, "matmul: bias ", inputs[2], " for b ", b, "; it should be ",
                 wanted);
  }
  return {{{problem.m, problem.n}, options_.f32_output ? DType::f32 : a.dtype}};
}

std::vector<Value> MatmulOp::gradient(const GradientContext& context) const {
  if (context.inputs.size() > 2 || activation_ != Activation::none) return Op::gradient(context);
  const Value &a = context.inputs[0], &b = context.inputs[1], &dy = context.output_gradients[0];
  const bool ta = options_.transpose_a, tb = options_.transpose_b;
  std::vector<Value> result(2);
  if (context.wanted[0]) {  // y = A B: dA = dy B^T, and dA^T = B dy^T
    const bool f32 = is_state(a);
    const Value da =
        ta ? mixed_product(b, dy, {.transpose_a = tb, .transpose_b = true, .f32_output = f32})
           : mixed_product(dy, b, {.transpose_b = !tb, .f32_output = f32});
    result[0] = cast(da, a.dtype());
  }
  if (context.wanted[1]) {  // dB = A^T dy, and dB^T = dy^T A
    const bool f32 = is_state(b);
    const Value db =
        tb ? mixed_product(dy, a, {.transpose_a = true, .transpose_b = ta, .f32_output = f32})
           : mixed_product(a, dy, {.transpose_a = !ta, .f32_output = f32});
    result[1] = cast(db, b.dtype());
  }
  return result;
}

Cost MatmulOp::cost(std::span<const TensorType> inputs, std::span<const TensorType> outputs) const {
  Cost result = Op::cost(inputs, outputs);
  result.flops = matmul_problem(inputs[0].shape, inputs[1].shape, options_).flops();
  return result;
}

std::unique_ptr<Kernel> MatmulOp::prepare(const PrepareContext& context) const {
  const MatmulProblem problem =
      matmul_problem(context.inputs[0].shape, context.inputs[1].shape, options_);
  if (context.device.is_cuda()) return cuda::prepare_matmul(problem, activation_, context);
  return cpu::prepare_matmul(problem, activation_, context);
}

Value matmul(const Value& a, const Value& b, const MatmulOptions& options) {
  return Graph::of(a).add1(std::make_shared<MatmulOp>(options), {a, b});
}

}  // namespace engine
