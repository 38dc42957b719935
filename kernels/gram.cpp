#include "engine/kernels/gram.h"

#include "engine/core/structural_ops.h"

namespace engine {
namespace {

GramProblem problem_of(std::string_view op, const TensorType& x, float scale) {
  ENGINE_CHECK(x.shape.rank() >= 2 && x.shape[-1] > 0, op, ": x ", x,
               " must be [..., channels] with at least two axes and one channel");
  ENGINE_CHECK(x.dtype == DType::f32 || x.dtype == DType::bf16, op, ": takes f32 or bf16, not ", x);
  return {.rows = x.shape.slice(0, x.shape.rank() - 1).elements(),
          .channels = x.shape[-1],
          .scale = scale};
}

Cost cost_of(const GramProblem& problem, Cost cost) {
  cost.flops = 2 * problem.rows * problem.channels * problem.channels;
  return cost;
}

class GramBackwardOp final : public Op {
 public:
  explicit GramBackwardOp(float scale) : scale_(scale) {}
  std::string_view name() const override { return "gram_backward"; }
  std::string attributes() const override { return join("scale=", scale_); }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    ENGINE_CHECK(inputs.size() == 2, name(), ": takes dy and x, got ", inputs.size(), " inputs");
    const GramProblem problem = problem_of(name(), inputs[1], scale_);
    const TensorType wanted{{problem.channels, problem.channels}, DType::f32};
    ENGINE_CHECK(inputs[0] == wanted, name(), ": dy ", inputs[0], " for x ", inputs[1],
                 "; it should be ", wanted);
    return {inputs[1]};
  }
  PrecisionClass precision() const override { return PrecisionClass::matrix; }
  bool keeps_f32(int input) const override { return input == 0; }
  Cost cost(std::span<const TensorType> inputs,
            std::span<const TensorType> outputs) const override {
    return cost_of(problem_of(name(), inputs[1], scale_), Op::cost(inputs, outputs));
  }
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override {
    if (context.device.is_cuda()) {
      return cuda::prepare_gram_backward(problem_of(name(), context.inputs[1], scale_), context);
    }
    return cpu::prepare_gram_backward(problem_of(name(), context.inputs[1], scale_), context);
  }

 private:
  float scale_;
};

class GramOp final : public Op {
 public:
  explicit GramOp(float scale) : scale_(scale) {}
  std::string_view name() const override { return "gram"; }
  std::string attributes() const override { return join("scale=", scale_); }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    ENGINE_CHECK(inputs.size() == 1, name(), ": takes one tensor, got ", inputs.size());
    const GramProblem problem = problem_of(name(), inputs[0], scale_);
    return {{{problem.channels, problem.channels}, DType::f32}};
  }
  std::vector<Value> gradient(const GradientContext& context) const override {
    const Value &x = context.inputs[0], &dy = context.output_gradients[0];
    return {Graph::of(x).add1(std::make_shared<GramBackwardOp>(scale_), {dy, x}, "gram_backward")};
  }
  PrecisionClass precision() const override { return PrecisionClass::matrix; }
  Cost cost(std::span<const TensorType> inputs,
            std::span<const TensorType> outputs) const override {
    return cost_of(problem_of(name(), inputs[0], scale_), Op::cost(inputs, outputs));
  }
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override {
    if (context.device.is_cuda()) {
      return cuda::prepare_gram(problem_of(name(), context.inputs[0], scale_), context);
    }
    return cpu::prepare_gram(problem_of(name(), context.inputs[0], scale_), context);
  }

 private:
  float scale_;
};

}  // namespace

Value gram(const Value& x, float scale) {
  return Graph::of(x).add1(std::make_shared<GramOp>(scale), {x}, "gram");
}

}  // namespace engine
