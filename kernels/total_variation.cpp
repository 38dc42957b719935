#include "engine/kernels/total_variation.h"

namespace engine {
namespace {

void check_images(std::string_view op, const TensorType& x) {
  ENGINE_CHECK(x.shape.rank() == 4 && x.dtype == DType::f32, op, ": x ", x,
               " must be f32 [n, h, w, c]");
}

class TotalVariationBackwardOp final : public Op {
 public:
  std::string_view name() const override { return "total_variation_backward"; }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    ENGINE_CHECK(inputs.size() == 2, name(), ": takes dy and x, got ", inputs.size(), " inputs");
    ENGINE_CHECK(inputs[0].dtype == DType::f32 && inputs[0].shape.elements() == 1, name(), ": dy ",
                 inputs[0], " should be one f32");
    check_images(name(), inputs[1]);
    return {inputs[1]};
  }
  PrecisionClass precision() const override { return PrecisionClass::f32; }
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override {
    if (context.device.is_cuda()) {
      return cuda::prepare_total_variation_backward(context.inputs[1].shape);
    }
    return cpu::prepare_total_variation_backward(context.inputs[1].shape);
  }
};

class TotalVariationOp final : public Op {
 public:
  std::string_view name() const override { return "total_variation"; }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    ENGINE_CHECK(inputs.size() == 1, name(), ": takes one tensor, got ", inputs.size());
    check_images(name(), inputs[0]);
    return {{Shape{}, DType::f32}};
  }
  std::vector<Value> gradient(const GradientContext& context) const override {
    const Value& x = context.inputs[0];
    return {Graph::of(x).add1(std::make_shared<TotalVariationBackwardOp>(),
                              {context.output_gradients[0], x}, "total_variation_backward")};
  }
  PrecisionClass precision() const override { return PrecisionClass::f32; }
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override {
    if (context.device.is_cuda()) {
      return cuda::prepare_total_variation(context.inputs[0].shape);
    }
    return cpu::prepare_total_variation(context.inputs[0].shape);
  }
};

}  // namespace

Value total_variation(const Value& x) {
  return Graph::of(x).add1(std::make_shared<TotalVariationOp>(), {x}, "total_variation");
}

}  // namespace engine
