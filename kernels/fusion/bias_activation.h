#pragma once

#include "engine/core/graph.h"
#include "engine/core/passes.h"
#include "engine/kernels/activation.h"

// What the rules for convolutions and products share.
namespace engine::fusion {

// The value whose sum with a bias this node is, and the bias: f32, and one per channel of the last
// axis. Both empty when it is no such sum or something else reads the value too.
struct BiasedValue {
  Value value;
  Value bias;
};
BiasedValue match_bias(const Node& node, const Uses& uses);

// The value whose relu this node is; empty when it is none or something else reads the value too.
Value match_relu(const Node& node, const Uses& uses);

// The node that makes `value` as an op of type T; null when it is another op.
template <class T>
const T* op_of(const Value& value) {
  return value ? dynamic_cast<const T*>(value.node().op.get()) : nullptr;
}

// The rules below are for an op T(options, activation) over two inputs and maybe a bias, whose
// options kOptions returns.

// add(op(a, b), bias) -> op(a, b, bias).
template <class T, auto kOptions>
FusionRule bias_rule(std::string name) {
  const auto rewrite = [](Graph& graph, const Node& node, const Uses& uses,
                          const Device&) -> std::vector<Value> {
    const auto [y, bias] = match_bias(node, uses);
    const T* op = op_of<T>(y);
    if (op == nullptr || op->activation() != Activation::none) return {};
    const std::vector<Value> inputs = y.node().inputs;
    if (inputs.size() > 2) return {};
    return graph.add(std::make_shared<T>((op->*kOptions)()), {inputs[0], inputs[1], bias},
                     y.node().name);
  };
  return {.name = std::move(name), .rewrite = rewrite};
}

// relu(op(...)) -> op(..., activation=relu).
template <class T, auto kOptions>
FusionRule relu_rule(std::string name) {
  const auto rewrite = [](Graph& graph, const Node& node, const Uses& uses,
                          const Device&) -> std::vector<Value> {
    const Value y = match_relu(node, uses);
    const T* op = op_of<T>(y);
    if (op == nullptr || op->activation() != Activation::none) return {};
    return graph.add(std::make_shared<T>((op->*kOptions)(), Activation::relu), y.node().inputs,
                     y.node().name);
  };
  return {.name = std::move(name), .rewrite = rewrite};
}

}  // namespace engine::fusion
