#include "engine/core/autodiff.h"

#include <memory>

#include "engine/core/errors.h"
#include "engine/core/structural_ops.h"

namespace engine {

namespace {

// Gradients gathered so far, per node and output.
using Pending = std::vector<std::vector<std::vector<Value>>>;

std::vector<char> nodes_depending_on(const Graph& graph, std::span<const Value> sources,
                                     int last_node) {
  std::vector<char> depends(static_cast<std::size_t>(last_node) + 1, 0);
  for (const Value& source : sources) {
    if (source.node_id() <= last_node) depends[static_cast<std::size_t>(source.node_id())] = 1;
  }
  for (int id = 0; id <= last_node; ++id) {
    for (const Value& input : graph.nodes()[static_cast<std::size_t>(id)].inputs) {
      if (depends[static_cast<std::size_t>(input.node_id())] != 0) {
        depends[static_cast<std::size_t>(id)] = 1;
      }
    }
  }
  return depends;
}

// Sends the gradients of a node's outputs on to its inputs.
void propagate(const Node& node, std::vector<Value> output_gradients,
               const std::vector<char>& depends, Pending& pending) {
  std::vector<Value> outputs;
  for (int i = 0; i < static_cast<int>(node.outputs.size()); ++i) {
    outputs.push_back(node.output(i));
  }
  const auto wanted = std::make_unique<bool[]>(node.inputs.size());
  bool is_any_wanted = false;
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    wanted[i] = depends[static_cast<std::size_t>(node.inputs[i].node_id())] != 0;
    is_any_wanted = is_any_wanted || wanted[i];
  }
  if (!is_any_wanted) return;  // the node makes a value that was asked for, from none that was
  const std::vector<Value> inputs = node.inputs;
  const std::string layer = node.name.substr(0, node.name.rfind('/'));
  const NameScope names(Graph::of(outputs[0]), layer == node.name ? "" : layer);
  const std::vector<Value> flows = node.op->gradient(
      {inputs, outputs, output_gradients, std::span<const bool>(wanted.get(), inputs.size())});
  ENGINE_CHECK(flows.size() == inputs.size(), "gradients: ", node.op->name(), " gave ",
               flows.size(), " gradients for ", inputs.size(), " inputs");
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!flows[i] || !wanted[i]) continue;
    ENGINE_CHECK(flows[i].shape() == inputs[i].shape(), "gradients: ", node.op->name(), " (",
                 node.name, ") gave ", flows[i].shape(), " for input ", i, ", which is ",
                 inputs[i].shape());
    pending[static_cast<std::size_t>(inputs[i].node_id())]
           [static_cast<std::size_t>(inputs[i].output_index())]
               .push_back(flows[i]);
  }
}

}  // namespace

std::vector<Value> gradients(const Value& loss, std::span<const Value> with_respect_to) {
  ENGINE_CHECK(loss, "gradients: the loss is an empty Value");
  ENGINE_CHECK(loss.shape().elements() == 1 && is_floating_point(loss.dtype()),
               "gradients: the loss is ", loss.type(), "; it must be one floating element");
  for (const Value& value : with_respect_to) {
    ENGINE_CHECK(value, "gradients: with respect to an empty Value");
  }
  Graph graph = Graph::of(loss);
  const int last_node = loss.node_id();
  const std::vector<char> depends = nodes_depending_on(graph, with_respect_to, last_node);

  Pending pending(static_cast<std::size_t>(last_node) + 1);
  for (int id = 0; id <= last_node; ++id) {
    pending[static_cast<std::size_t>(id)].resize(
        graph.nodes()[static_cast<std::size_t>(id)].outputs.size());
  }
  const Value one = graph.constant(1.0f);
  pending[static_cast<std::size_t>(last_node)][static_cast<std::size_t>(loss.output_index())] = {
      cast(reshape(one, loss.shape()), loss.dtype())};

  // A value's gradients are complete when all nodes after it have been visited.
  const auto complete = [&](const Value& value) -> Value {
    if (value.node_id() > last_node) return {};
    auto& parts = pending[static_cast<std::size_t>(value.node_id())]
                         [static_cast<std::size_t>(value.output_index())];
    if (parts.empty()) return {};
    for (Value& part : parts) part = cast(part, value.dtype());
    parts = {add_n(parts)};
    return parts[0];
  };
  for (int id = last_node; id >= 0; --id) {
    if (depends[static_cast<std::size_t>(id)] == 0) continue;
    const Node& node = graph.nodes()[static_cast<std::size_t>(id)];
    if (node.inputs.empty()) continue;
    std::vector<Value> flowing;
    bool any = false;
    for (int output = 0; output < static_cast<int>(node.outputs.size()); ++output) {
      flowing.push_back(complete(node.output(output)));
      any = any || flowing.back();
    }
    if (any) propagate(node, std::move(flowing), depends, pending);
  }

  std::vector<Value> result;
  for (const Value& value : with_respect_to) {
    const Value gradient = complete(value);
    result.push_back(gradient ? gradient : zeros(graph, value.shape(), value.dtype()));
  }
  return result;
}

}  // namespace engine
