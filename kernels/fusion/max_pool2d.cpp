#include <algorithm>

#include "engine/kernels/fusion/bias_activation.h"
#include "engine/kernels/fusion/rules.h"
#include "engine/kernels/pool2d.h"
#include "engine/kernels/reduce.h"
#include "engine/kernels/unary.h"

namespace engine {
namespace {

bool is_relu(const Value& value) {
  const auto* unary = fusion::op_of<UnaryOp>(value);
  return unary != nullptr && unary->member() == UnaryMember::relu;
}

bool is_relu_backward(const Node& node) {
  const auto* unary = dynamic_cast<const UnaryBackwardOp*>(node.op.get());
  return unary != nullptr && unary->member() == UnaryMember::relu;
}

const Node& node_at(const Graph& graph, int id) {
  return graph.nodes()[static_cast<std::size_t>(id)];
}

// Whether nodes alone read the value, and `accepts` is true of each.
template <class Accepts>
bool only_read_by(const Graph& graph, const Value& value, const Uses& uses,
                  const Accepts& accepts) {
  const std::vector<int>& readers = uses.readers(value);
  return static_cast<std::size_t>(uses.count(value)) == readers.size() &&
         std::all_of(readers.begin(), readers.end(),
                     [&](int id) { return accepts(node_at(graph, id)); });
}

// A window whose maximum is not positive sends its gradient to an element that relu_backward then
// zeroes; with the relu inside, the window has no position instead. That is the same only where
// every gradient through argmax meets that relu_backward.
bool gradients_meet_relu(const Graph& graph, const Value& argmax, const Value& r,
                         const Uses& uses) {
  const auto is_masked = [&](const Node& reader) {
    return is_relu_backward(reader) && reader.inputs[1] == r;
  };
  return only_read_by(graph, argmax, uses, [&](const Node& reader) {
    return dynamic_cast<const MaxPool2dBackwardOp*>(reader.op.get()) != nullptr &&
           only_read_by(graph, reader.output(0), uses, is_masked);
  });
}

std::vector<Value> into_pool(Graph& graph, const Node& node, const Uses& uses, const Device&) {
  const auto* pool = dynamic_cast<const MaxPool2dOp*>(node.op.get());
  if (pool == nullptr || pool->extras().activation != Activation::none) return {};
  const Value r = node.inputs[0];
  if (!is_relu(r)) return {};
  // Whoever else reads r needs the large tensor anyway.
  const bool alone = only_read_by(graph, r, uses, [&](const Node& reader) {
    return reader.id == node.id || (is_relu_backward(reader) && reader.inputs[1] == r);
  });
  MaxPool2dOp::Extras extras = pool->extras();
  if (!alone) return {};
  if (extras.argmax && !gradients_meet_relu(graph, node.output(1), r, uses)) return {};
  extras.activation = Activation::relu;
  return graph.add(std::make_shared<MaxPool2dOp>(pool->options(), extras), r.node().inputs,
                   node.name);
}

std::vector<Value> into_pool_backward(Graph&, const Node& node, const Uses&, const Device&) {
  if (!is_relu_backward(node)) return {};
  const Value &dr = node.inputs[0], &r = node.inputs[1];
  if (fusion::op_of<MaxPool2dBackwardOp>(dr) == nullptr || !is_relu(r)) return {};
  const Value& argmax = dr.node().inputs[1];
  const auto* pool = fusion::op_of<MaxPool2dOp>(argmax);
  if (pool == nullptr || pool->extras().activation != Activation::relu) return {};
  if (argmax.node().inputs[0] != r.node().inputs[0]) return {};
  return {dr};
}

std::vector<Value> sum_of_backward(Graph& graph, const Node& node, const Uses&, const Device&) {
  const auto* reduce = dynamic_cast<const ReduceOp*>(node.op.get());
  if (reduce == nullptr || reduce->member() != ReduceMember::sum) return {};
  if (reduce->axes() != AxisRange{0, 3}) return {};
  const Value& dx = node.inputs[0];
  if (fusion::op_of<MaxPool2dBackwardOp>(dx) == nullptr) return {};
  return graph.add(std::make_shared<MaxPool2dBackwardSumOp>(), dx.node().inputs, node.name);
}

std::vector<Value> without_argmax(Graph& graph, const Node& node, const Uses& uses, const Device&) {
  const auto* pool = dynamic_cast<const MaxPool2dOp*>(node.op.get());
  if (pool == nullptr || !pool->extras().argmax) return {};
  if (uses.count(node.output(1)) > 0) return {};
  MaxPool2dOp::Extras extras = pool->extras();
  extras.argmax = false;
  const Value y =
      graph.add1(std::make_shared<MaxPool2dOp>(pool->options(), extras), node.inputs, node.name);
  return {y, Value()};
}

}  // namespace

FusionRule fuse_max_pool2d_relu() {
  return {.name = "relu into max_pool2d", .rewrite = into_pool};
}

FusionRule fuse_max_pool2d_backward_relu() {
  return {.name = "relu_backward into max_pool2d_backward", .rewrite = into_pool_backward};
}

FusionRule fuse_max_pool2d_backward_sum() {
  return {.name = "sum of max_pool2d_backward", .rewrite = sum_of_backward};
}

FusionRule fuse_max_pool2d_without_argmax() {
  return {.name = "max_pool2d without argmax", .rewrite = without_argmax};
}

}  // namespace engine
