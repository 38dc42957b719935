#include "engine/kernels/reduce.h"

#include "engine/core/structural_ops.h"

namespace engine {
namespace {

Value reduce(ReduceMember member, const Value& x, AxisRange axes) {
  return Graph::of(x).add1(std::make_shared<ReduceOp>(member, axes), {x}, name_of(member));
}

Shape without(const Shape& shape, AxisRange axes) {
  Shape result = shape.slice(0, axes.first);
  std::vector<std::int64_t> extents(result.begin(), result.end());
  extents.insert(extents.end(), shape.begin() + axes.last, shape.end());
  return Shape(std::span<const std::int64_t>(extents));
}

void check_type(std::string_view name, const TensorType& type) {
  ENGINE_CHECK(type.dtype == DType::f32 || type.dtype == DType::bf16, name,
               ": takes f32 or bf16, not ", type);
}

std::string text_of(ReduceMember member, AxisRange axes) {
  return join(name_of(member), " axes=", axes.first, "..", axes.last);
}

}  // namespace

std::string_view name_of(ReduceMember member) {
  return member == ReduceMember::sum ? "sum" : "mean";
}

ReduceExtents reduce_extents(const Shape& shape, AxisRange axes) {
  return {.outer = shape.slice(0, axes.first).elements(),
          .reduced = shape.slice(axes.first, axes.last).elements(),
          .inner = shape.slice(axes.last, shape.rank()).elements()};
}

std::string ReduceOp::attributes() const {
  return text_of(member_, axes_);
}

std::vector<TensorType> ReduceOp::infer(std::span<const TensorType> inputs) const {
  ENGINE_CHECK(inputs.size() == 1, name_of(member_), ": takes one tensor, not ", inputs.size());
  check_type(name_of(member_), inputs[0]);
  const Shape& shape = inputs[0].shape;
  ENGINE_CHECK(0 <= axes_.first && axes_.first <= axes_.last && axes_.last <= shape.rank(),
               name_of(member_), ": axes ", axes_.first, "..", axes_.last, " of ", shape);
  return {{without(shape, axes_), DType::f32}};
}

std::vector<Value> ReduceOp::gradient(const GradientContext& context) const {
  const Value &x = context.inputs[0], &dy = context.output_gradients[0];
  const Value dx = Graph::of(dy).add1(std::make_shared<ReduceBackwardOp>(member_, axes_, x.shape()),
                                      {dy}, join(name_of(member_), "_backward"));
  return {cast(dx, x.dtype())};
}

std::unique_ptr<Kernel> ReduceOp::prepare(const PrepareContext& context) const {
  if (context.device.is_cuda())
    return cuda::prepare_reduce(member_, reduce_extents(context.inputs[0].shape, axes_),
                                context.inputs[0].dtype);
  return cpu::prepare_reduce(member_, reduce_extents(context.inputs[0].shape, axes_),
                             context.inputs[0].dtype);
}

std::string ReduceBackwardOp::attributes() const {
  return join(text_of(member_, axes_), " x=", x_shape_);
}

std::vector<TensorType> ReduceBackwardOp::infer(std::span<const TensorType> inputs) const {
  ENGINE_CHECK(inputs.size() == 1 && inputs[0].shape == without(x_shape_, axes_), name_of(member_),
               "_backward: dy ", inputs.empty() ? TensorType{} : inputs[0], " for x ", x_shape_,
               " and axes ", axes_.first, "..", axes_.last);
  check_type(name_of(member_), inputs[0]);
  return {{x_shape_, inputs[0].dtype}};
}

std::vector<Value> ReduceBackwardOp::gradient(const GradientContext& context) const {
  const Value& g = context.output_gradients[0];
  return {cast(reduce(member_, g, axes_), context.inputs[0].dtype())};
}

std::unique_ptr<Kernel> ReduceBackwardOp::prepare(const PrepareContext& context) const {
  if (context.device.is_cuda())
    return cuda::prepare_reduce_backward(member_, reduce_extents(x_shape_, axes_),
                                         context.inputs[0].dtype);
  return cpu::prepare_reduce_backward(member_, reduce_extents(x_shape_, axes_),
                                      context.inputs[0].dtype);
}

Value sum(const Value& x) {
  return reduce(ReduceMember::sum, x, {.first = 0, .last = x.shape().rank()});
}
Value sum(const Value& x, AxisRange axes) {
  return reduce(ReduceMember::sum, x, axes);
}
Value mean(const Value& x) {
  return reduce(ReduceMember::mean, x, {.first = 0, .last = x.shape().rank()});
}
Value mean(const Value& x, AxisRange axes) {
  return reduce(ReduceMember::mean, x, axes);
}

}  // namespace engine
