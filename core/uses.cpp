#include "engine/core/graph_data.h"
#include "engine/core/passes.h"

namespace engine {

Uses::Uses(const Graph& graph) : counts_(graph.nodes().size()), readers_(graph.nodes().size()) {
  for (const Node& node : graph.nodes()) {
    counts_[static_cast<std::size_t>(node.id)].resize(node.outputs.size());
    readers_[static_cast<std::size_t>(node.id)].resize(node.outputs.size());
  }
  const auto add = [&](const Value& value) -> std::vector<int>& {
    const auto node = static_cast<std::size_t>(value.node_id());
    const auto output = static_cast<std::size_t>(value.output_index());
    ++counts_[node][output];
    return readers_[node][output];
  };
  for (int id : live_nodes(graph)) {
    const Node& node = graph.nodes()[static_cast<std::size_t>(id)];
    for (const Value& input : node.inputs) {
      std::vector<int>& readers = add(input);
      if (readers.empty() || readers.back() != id) readers.push_back(id);
    }
  }
  for (const auto& [name, value] : graph.outputs()) add(value);
  for (const auto& [name, value] : graph.updates()) add(value);
}

int Uses::count(const Value& value) const {
  const auto node = static_cast<std::size_t>(value.node_id());
  if (node >= counts_.size()) return 0;  // added since
  return counts_[node][static_cast<std::size_t>(value.output_index())];
}

const std::vector<int>& Uses::readers(const Value& value) const {
  static const std::vector<int> kNone;
  const auto node = static_cast<std::size_t>(value.node_id());
  if (node >= readers_.size()) return kNone;
  return readers_[node][static_cast<std::size_t>(value.output_index())];
}

}  // namespace engine
