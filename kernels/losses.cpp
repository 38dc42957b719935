#include "engine/kernels/losses.h"

namespace engine {
namespace {

// What the ops here share: f32 throughout, one output.
class LossOp : public Op {
 public:
  PrecisionClass precision() const override { return PrecisionClass::f32; }

 protected:
  void check_count(std::span<const TensorType> inputs, std::size_t count) const {
    ENGINE_CHECK(inputs.size() == count, name(), ": takes ", count, " tensors, not ",
                 inputs.size());
  }
  void check_f32(const TensorType& type) const {
    ENGINE_CHECK(type.dtype == DType::f32, name(), ": takes f32, not ", type);
  }
  void check_labels(const TensorType& logits, const TensorType& labels) const {
    check_f32(logits);
    ENGINE_CHECK(logits.shape.rank() == 2 && logits.shape[1] > 0, name(), ": logits ", logits,
                 " must be [n, classes]");
    const TensorType wanted{{logits.shape[0]}, DType::i32};
    ENGINE_CHECK(labels == wanted, name(), ": labels ", labels, " for logits ", logits,
                 "; they should be ", wanted);
  }
};

class SoftmaxBackwardOp final : public LossOp {
 public:
  std::string_view name() const override { return "softmax_backward"; }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    check_count(inputs, 2);
    check_f32(inputs[0]);
    ENGINE_CHECK(inputs[0] == inputs[1], name(), ": dy ", inputs[0], " and y ", inputs[1]);
    return {inputs[0]};
  }
  std::vector<InPlacePair> in_place() const override { return {{0, 0}, {1, 0}}; }
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override {
    const Shape& shape = context.inputs[0].shape;
    if (context.device.is_cuda())
      return cuda::prepare_softmax_backward(shape.slice(0, shape.rank() - 1).elements(), shape[-1]);
    return cpu::prepare_softmax_backward(shape.slice(0, shape.rank() - 1).elements(), shape[-1]);
  }
};

class SoftmaxOp final : public LossOp {
 public:
  std::string_view name() const override { return "softmax"; }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    check_count(inputs, 1);
    check_f32(inputs[0]);
    ENGINE_CHECK(inputs[0].shape.rank() > 0, name(), ": x must have an axis");
    return {inputs[0]};
  }
  std::vector<Value> gradient(const GradientContext& context) const override {
    const Value& dy = context.output_gradients[0];
    return {Graph::of(dy).add1(std::make_shared<SoftmaxBackwardOp>(), {dy, context.outputs[0]},
                               "softmax_backward")};
  }
  std::vector<InPlacePair> in_place() const override { return {{0, 0}}; }
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override {
    const Shape& shape = context.inputs[0].shape;
    if (context.device.is_cuda())
      return cuda::prepare_softmax(shape.slice(0, shape.rank() - 1).elements(), shape[-1]);
    return cpu::prepare_softmax(shape.slice(0, shape.rank() - 1).elements(), shape[-1]);
  }
};

class SoftmaxCrossEntropyBackwardOp final : public LossOp {
 public:
  std::string_view name() const override { return "softmax_cross_entropy_backward"; }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    check_count(inputs, 3);
    check_labels(inputs[1], inputs[2]);
    const TensorType wanted{inputs[2].shape, DType::f32};
    ENGINE_CHECK(inputs[0] == wanted, name(), ": dy ", inputs[0], " should be ", wanted);
    return {inputs[1]};
  }
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override {
    const Shape& shape = context.inputs[1].shape;
    if (context.device.is_cuda())
      return cuda::prepare_softmax_cross_entropy_backward(shape[0], shape[1]);
    return cpu::prepare_softmax_cross_entropy_backward(shape[0], shape[1]);
  }
};

class SoftmaxCrossEntropyOp final : public LossOp {
 public:
  std::string_view name() const override { return "softmax_cross_entropy"; }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    check_count(inputs, 2);
    check_labels(inputs[0], inputs[1]);
    return {{inputs[1].shape, DType::f32}};
  }
  std::vector<Value> gradient(const GradientContext& context) const override {
    const Value& dy = context.output_gradients[0];
    return {Graph::of(dy).add1(std::make_shared<SoftmaxCrossEntropyBackwardOp>(),
                               {dy, context.inputs[0], context.inputs[1]},
                               "softmax_cross_entropy_backward"),
            Value()};
  }
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override {
    const Shape& shape = context.inputs[0].shape;
    if (context.device.is_cuda()) return cuda::prepare_softmax_cross_entropy(shape[0], shape[1]);
    return cpu::prepare_softmax_cross_entropy(shape[0], shape[1]);
  }
};

class BinaryCrossEntropyBackwardOp final : public LossOp {
 public:
  std::string_view name() const override { return "binary_cross_entropy_with_logits_backward"; }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    check_count(inputs, 3);
    for (const TensorType& type : inputs) {
      check_f32(type);
      ENGINE_CHECK(type == inputs[0], name(), ": dy ", inputs[0], ", logits ", inputs[1],
                   ", targets ", inputs[2]);
    }
    return {inputs[0]};
  }
  std::vector<InPlacePair> in_place() const override { return {{0, 0}, {1, 0}}; }
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override {
    if (context.device.is_cuda())
      return cuda::prepare_binary_cross_entropy_backward(context.inputs[0].shape.elements());
    return cpu::prepare_binary_cross_entropy_backward(context.inputs[0].shape.elements());
  }
};

class BinaryCrossEntropyOp final : public LossOp {
 public:
  std::string_view name() const override { return "binary_cross_entropy_with_logits"; }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    check_count(inputs, 2);
    check_f32(inputs[0]);
    ENGINE_CHECK(inputs[0] == inputs[1], name(), ": logits ", inputs[0], " and targets ", inputs[1],
                 " must be alike");
    return {inputs[0]};
  }
  std::vector<Value> gradient(const GradientContext& context) const override {
    const Value& dy = context.output_gradients[0];
    ENGINE_CHECK(!context.wanted[1], name(), ": has no gradient of the targets");
    return {Graph::of(dy).add1(std::make_shared<BinaryCrossEntropyBackwardOp>(),
                               {dy, context.inputs[0], context.inputs[1]},
                               "binary_cross_entropy_with_logits_backward"),
            Value()};
  }
  std::vector<InPlacePair> in_place() const override { return {{0, 0}}; }
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override {
    if (context.device.is_cuda())
      return cuda::prepare_binary_cross_entropy(context.inputs[0].shape.elements());
    return cpu::prepare_binary_cross_entropy(context.inputs[0].shape.elements());
  }
};

}  // namespace

Value softmax_cross_entropy(const Value& logits, const Value& labels) {
  return Graph::of(logits).add1(std::make_shared<SoftmaxCrossEntropyOp>(), {logits, labels},
                                "softmax_cross_entropy");
}

Value binary_cross_entropy_with_logits(const Value& logits, const Value& targets) {
  return Graph::of(logits).add1(std::make_shared<BinaryCrossEntropyOp>(), {logits, targets},
                                "binary_cross_entropy_with_logits");
}

Value softmax(const Value& x) {
  return Graph::of(x).add1(std::make_shared<SoftmaxOp>(), {x}, "softmax");
}

}  // namespace engine
