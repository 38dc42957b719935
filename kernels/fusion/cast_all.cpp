#include "engine/kernels/cast_all.h"

#include <algorithm>

#include "engine/kernels/fusion/rules.h"

namespace engine {
namespace {

bool casts_state(const Node& node) {
  return node.op->name() == "cast" && node.outputs[0].dtype == DType::bf16 &&
         node.inputs[0].dtype() == DType::f32 &&
         node.inputs[0].node().op->effect() == Effect::reads_state;
}

bool is_updated(const Graph& graph, const Value& state) {
  const std::string& name = graph.state_of(state).name;
  return std::any_of(graph.updates().begin(), graph.updates().end(),
                     [&](const auto& update) { return update.first == name; });
}

// The output of a cast_all that casts this state already; empty when there is none.
Value cast_before(const Graph& graph, const Value& state) {
  for (const Node& node : graph.nodes()) {
    if (dynamic_cast<const CastAllOp*>(node.op.get()) == nullptr) continue;
    const auto at = std::find(node.inputs.begin(), node.inputs.end(), state);
    if (at != node.inputs.end()) return node.output(static_cast<int>(at - node.inputs.begin()));
  }
  return {};
}

std::vector<Value> rewrite(Graph& graph, const Node& node, const Uses&, const Device& device) {
  if (device.is_cpu() || !casts_state(node)) return {};
  const Value state = node.inputs[0];
  const Value before = cast_before(graph, state);
  if (before) return {before};
  // What the step changes is cast in each run, what it only reads may be cast once: kept apart.
  std::vector<Value> states;
  for (const Node& other : graph.nodes()) {
    if (casts_state(other) && is_updated(graph, other.inputs[0]) == is_updated(graph, state)) {
      states.push_back(other.inputs[0]);
    }
  }
  if (states.size() < 2) return {};
  const std::vector<Value> cast = cast_all_to_bf16(states);
  return {cast[static_cast<std::size_t>(std::find(states.begin(), states.end(), state) -
                                        states.begin())]};
}

}  // namespace

FusionRule fuse_cast_all() {
  return {.name = "casts of state into one", .rewrite = rewrite};
}

}  // namespace engine
