#include "engine/kernels/fusion/bias_activation.h"

#include "engine/kernels/binary.h"
#include "engine/kernels/unary.h"

namespace engine::fusion {
namespace {

// The f32 value behind a cast to a narrower type, else the value itself.
Value before_cast(const Value& value) {
  const Node& node = value.node();
  const bool is_cast = node.op->name() == "cast";
  return is_cast && node.inputs[0].dtype() == DType::f32 ? node.inputs[0] : value;
}

}  // namespace

BiasedValue match_bias(const Node& node, const Uses& uses) {
  const auto* binary = dynamic_cast<const BinaryOp*>(node.op.get());
  if (binary == nullptr || binary->member() != BinaryMember::add) return {};
  if (binary->repeat() == Repeat::none) return {};
  const int small = binary->repeat() == Repeat::a ? 0 : 1;
  const Value& value = node.inputs[1 - small];
  const Value bias = before_cast(node.inputs[small]);
  const Shape& shape = value.shape();
  const bool is_per_channel = bias.shape().rank() == 1 && bias.shape()[0] == shape[-1];
  if (!is_per_channel || bias.dtype() != DType::f32 || uses.count(value) != 1) return {};
  return {.value = value, .bias = bias};
}

Value match_relu(const Node& node, const Uses& uses) {
  const auto* unary = dynamic_cast<const UnaryOp*>(node.op.get());
  if (unary == nullptr || unary->member() != UnaryMember::relu) return {};
  return uses.count(node.inputs[0]) == 1 ? node.inputs[0] : Value();
}

}  // namespace engine::fusion
