#include "engine/core/structural_ops.h"

#include "engine/core/errors.h"
#include "engine/core/structural_kernels.h"

namespace engine {

namespace {

class CastOp final : public Op {
 public:
  explicit CastOp(DType dtype) : dtype_(dtype) {}
  std::string_view name() const override { return "cast"; }
  std::string attributes() const override { return join(dtype_); }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    return {{inputs[0].shape, dtype_}};
  }
  std::vector<Value> gradient(const GradientContext& context) const override {
    const Value& x = context.inputs[0];
    if (!is_floating_point(x.dtype()) || !is_floating_point(dtype_)) return {Value()};
    return {cast(context.output_gradients[0], x.dtype())};
  }
  bool keeps_f32(int) const override { return true; }
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override {
    return prepare_cast(context);
  }

 private:
  DType dtype_;
};

class ReshapeOp final : public Op {
 public:
  explicit ReshapeOp(const Shape& shape) : shape_(shape) {}
  std::string_view name() const override { return "reshape"; }
  std::string attributes() const override { return join(shape_); }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    ENGINE_CHECK(inputs[0].shape.elements() == shape_.elements(), "reshape: ", inputs[0].shape,
                 " has ", inputs[0].shape.elements(), " elements, ", shape_, " has ",
                 shape_.elements());
    return {{shape_, inputs[0].dtype}};
  }
  std::vector<Value> gradient(const GradientContext& context) const override {
    return {reshape(context.output_gradients[0], context.inputs[0].shape())};
  }
  bool is_view() const override { return true; }
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override {
    return prepare_copy(context);
  }

 private:
  Shape shape_;
};

class StopGradientOp final : public Op {
 public:
  std::string_view name() const override { return "stop_gradient"; }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    return {inputs[0]};
  }
  std::vector<Value> gradient(const GradientContext&) const override { return {Value()}; }
  bool is_view() const override { return true; }
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override {
    return prepare_copy(context);
  }
};

class AddNOp final : public Op {
 public:
  std::string_view name() const override { return "add_n"; }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    ENGINE_CHECK(!inputs.empty(), "add_n: nothing to add");
    for (const TensorType& type : inputs) {
      ENGINE_CHECK(type == inputs[0] && is_floating_point(type.dtype), "add_n: ", inputs[0],
                   " and ", type);
    }
    return {inputs[0]};
  }
  std::vector<Value> gradient(const GradientContext& context) const override {
    return std::vector<Value>(context.inputs.size(), context.output_gradients[0]);
  }
  std::vector<InPlacePair> in_place() const override { return {{0, 0}}; }
  Cost cost(std::span<const TensorType> inputs,
            std::span<const TensorType> outputs) const override {
    Cost cost = Op::cost(inputs, outputs);
    cost.flops = outputs[0].shape.elements() * static_cast<std::int64_t>(inputs.size() - 1);
    return cost;
  }
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override {
    return prepare_add_n(context);
  }
};

class ZerosOp final : public Op {
 public:
  explicit ZerosOp(const TensorType& type) : type_(type) {}
  std::string_view name() const override { return "zeros"; }
  std::string attributes() const override { return join(type_); }
  std::vector<TensorType> infer(std::span<const TensorType>) const override { return {type_}; }
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override {
    return prepare_zeros(context);
  }

 private:
  TensorType type_;
};

}  // namespace

Value cast(const Value& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  return Graph::of(x).add1(std::make_shared<CastOp>(dtype), {x});
}

Value reshape(const Value& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  return Graph::of(x).add1(std::make_shared<ReshapeOp>(shape), {x});
}

Value add_n(const std::vector<Value>& values) {
  ENGINE_CHECK(!values.empty(), "add_n: nothing to add");
  if (values.size() == 1) return values[0];
  return Graph::of(values[0]).add1(std::make_shared<AddNOp>(), values);
}

Value zeros(Graph& graph, const Shape& shape, DType dtype) {
  return graph.add1(std::make_shared<ZerosOp>(TensorType{shape, dtype}), {});
}

Value stop_gradient(const Value& x) {
  return Graph::of(x).add1(std::make_shared<StopGradientOp>(), {x});
}

}  // namespace engine
