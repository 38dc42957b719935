#include "engine/core/errors.h"
#include "engine/core/graph_data.h"
#include "engine/core/source_ops.h"

namespace engine {

GraphCopy::GraphCopy(const Graph& source) : source_(&source), map_(source.nodes().size()) {
  for (const Node& node : source.nodes())
    map_[static_cast<std::size_t>(node.id)].resize(node.outputs.size());
  for (const StateSpec& spec : source.states()) {
    const Value value = target_.read_state(spec);
    for (const Node& node : source.nodes()) {
      const auto* read = dynamic_cast<const ReadStateOp*>(node.op.get());
      if (read != nullptr && read->state_name == spec.name) {
        map_[static_cast<std::size_t>(node.id)][0] = value;
      }
    }
  }
}

Value GraphCopy::mapped(const Value& old) const {
  const Value& value =
      map_[static_cast<std::size_t>(old.node_id())][static_cast<std::size_t>(old.output_index())];
  ENGINE_CHECK(value, "graph: ", old.node().name, " is used before it is made");
  return value;
}

std::vector<Value> GraphCopy::mapped(const std::vector<Value>& old) const {
  std::vector<Value> values;
  for (const Value& value : old) values.push_back(mapped(value));
  return values;
}

bool GraphCopy::is_mapped(const Value& old) const {
  return static_cast<bool>(
      map_[static_cast<std::size_t>(old.node_id())][static_cast<std::size_t>(old.output_index())]);
}

void GraphCopy::map(const Value& old, const Value& replacement) {
  map_[static_cast<std::size_t>(old.node_id())][static_cast<std::size_t>(old.output_index())] =
      replacement;
}

void GraphCopy::copy(const Node& node) {
  copy(node, mapped(node.inputs));
}

void GraphCopy::copy(const Node& node, std::vector<Value> inputs) {
  if (dynamic_cast<const ReadStateOp*>(node.op.get()) != nullptr) return;  // declared already
  // The numbers of equal names are given anew, so that they do not pile up from pass to pass.
  map_[static_cast<std::size_t>(node.id)] = target_.add(
      node.op, std::move(inputs), std::string_view(node.name).substr(0, node.name.find('#')));
}

Graph GraphCopy::finish() {
  for (const auto& [name, value] : source_->outputs()) target_.output(name, mapped(value));
  for (const auto& [name, value] : source_->updates()) target_.update_state(name, mapped(value));
  return std::move(target_);
}

Graph replace(const Graph& graph, int id, const std::vector<Value>& replacements, int old_count) {
  const auto resolve = [&](const Value& value) {
    if (value.node_id() != id) return value;
    const Value& other = replacements[static_cast<std::size_t>(value.output_index())];
    return other ? other : value;
  };
  const auto inputs_of = [&](const Node& node) {
    std::vector<Value> inputs = node.inputs;
    if (node.id < old_count) {
      for (Value& input : inputs) input = resolve(input);
    }
    return inputs;
  };
  // Depth first from every node in the old order: what a node needs comes right before it.
  std::vector<char> is_done(graph.nodes().size(), 0);
  GraphCopy copy(graph);
  const auto visit = [&](const auto& self, int at) -> void {
    if (is_done[static_cast<std::size_t>(at)] != 0) return;
    is_done[static_cast<std::size_t>(at)] = 1;
    const Node& node = graph.nodes()[static_cast<std::size_t>(at)];
    const std::vector<Value> inputs = inputs_of(node);
    for (const Value& input : inputs) self(self, input.node_id());
    copy.copy(node, copy.mapped(inputs));
  };
  // Whatever still reads a replaced output finds the new one.
  std::vector<Value> roots;
  for (const auto& [name, value] : graph.outputs()) roots.push_back(resolve(value));
  for (const auto& [name, value] : graph.updates()) roots.push_back(resolve(value));
  for (int live : live_nodes(graph)) {
    if (live != id) visit(visit, live);
  }
  for (const Value& root : roots) visit(visit, root.node_id());
  for (std::size_t i = 0; i < replacements.size(); ++i) {
    if (replacements[i]) {
      copy.map(graph.nodes()[static_cast<std::size_t>(id)].output(static_cast<int>(i)),
               copy.mapped(replacements[i]));
    }
  }
  return copy.finish();
}

std::vector<int> live_nodes(const Graph& graph) {
  std::vector<char> is_live(graph.nodes().size(), 0);
  std::vector<int> pending;
  const auto mark = [&](const Value& value) {
    char& flag = is_live[static_cast<std::size_t>(value.node_id())];
    if (flag == 0) pending.push_back(value.node_id());
    flag = 1;
  };
  for (const auto& [name, value] : graph.outputs()) mark(value);
  for (const auto& [name, value] : graph.updates()) mark(value);
  while (!pending.empty()) {
    const Node& node = graph.nodes()[static_cast<std::size_t>(pending.back())];
    pending.pop_back();
    for (const Value& input : node.inputs) mark(input);
  }
  std::vector<int> ids;
  for (const Node& node : graph.nodes()) {
    if (is_live[static_cast<std::size_t>(node.id)] != 0) ids.push_back(node.id);
  }
  return ids;
}

}  // namespace engine
