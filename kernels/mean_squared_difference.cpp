#include "engine/kernels/mean_squared_difference.h"

namespace engine {
namespace {

void check_pair(std::string_view op, const TensorType& x, const TensorType& target) {
  ENGINE_CHECK(x.dtype == DType::f32 || x.dtype == DType::bf16, op, ": takes f32 or bf16, not ", x);
  ENGINE_CHECK(x.shape == target.shape && target.dtype == DType::f32, op, ": target ", target,
               " for x ", x, "; it must have the same shape, in f32");
}

class MeanSquaredDifferenceBackwardOp final : public Op {
 public:
  std::string_view name() const override { return "mean_squared_difference_backward"; }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    ENGINE_CHECK(inputs.size() == 3, name(), ": takes dy, x and the target, got ", inputs.size(),
                 " inputs");
    ENGINE_CHECK(inputs[0].dtype == DType::f32 && inputs[0].shape.elements() == 1, name(), ": dy ",
                 inputs[0], " should be one f32");
    check_pair(name(), inputs[1], inputs[2]);
    return {inputs[1]};
  }
  bool keeps_f32(int input) const override { return input != 1; }
  std::vector<InPlacePair> in_place() const override { return {{1, 0}}; }
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override {
    if (context.device.is_cuda()) {
      return cuda::prepare_mean_squared_difference_backward(context.inputs[1]);
    }
    return cpu::prepare_mean_squared_difference_backward(context.inputs[1]);
  }
};

class MeanSquaredDifferenceOp final : public Op {
 public:
  std::string_view name() const override { return "mean_squared_difference"; }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    ENGINE_CHECK(inputs.size() == 2, name(), ": takes x and the target, got ", inputs.size(),
                 " inputs");
    check_pair(name(), inputs[0], inputs[1]);
    return {{Shape{}, DType::f32}};
  }
  std::vector<Value> gradient(const GradientContext& context) const override {
    const Value &x = context.inputs[0], &target = context.inputs[1];
    ENGINE_CHECK(!context.wanted[1], name(), ": has no gradient of the target");
    return {Graph::of(x).add1(std::make_shared<MeanSquaredDifferenceBackwardOp>(),
                              {context.output_gradients[0], x, target},
                              "mean_squared_difference_backward"),
            Value()};
  }
  bool keeps_f32(int input) const override { return input == 1; }
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override {
    if (context.device.is_cuda()) {
      return cuda::prepare_mean_squared_difference(context.inputs[0]);
    }
    return cpu::prepare_mean_squared_difference(context.inputs[0]);
  }
};

}  // namespace

Value mean_squared_difference(const Value& x, const Value& target) {
  return Graph::of(x).add1(std::make_shared<MeanSquaredDifferenceOp>(), {x, target},
                           "mean_squared_difference");
}

}  // namespace engine
