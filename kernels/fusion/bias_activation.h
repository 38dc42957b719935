#pragma once

#include "engine/core/graph.h"
#include "engine/core/passes.h"

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

}  // namespace engine::fusion
