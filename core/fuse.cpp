#include "engine/core/errors.h"
#include "engine/core/graph_data.h"
#include "engine/core/passes.h"

namespace engine {

namespace {

// One round: finds the first node that a rule rewrites and returns the graph with its outputs
// replaced; nothing when no rule matches. Rules come first: the first rule is tried on every node
// before the second.
bool rewrite_once(Graph& graph, std::span<const FusionRule> rules, const Device& device) {
  const Uses uses(graph);
  for (const FusionRule& rule : rules) {
    for (int id : live_nodes(graph)) {
      const Node& node = graph.nodes()[static_cast<std::size_t>(id)];
      const int old_count = static_cast<int>(graph.nodes().size());
      const std::vector<Value> replacements = rule.rewrite(graph, node, uses, device);
      if (replacements.empty()) continue;
      ENGINE_CHECK(replacements.size() == node.outputs.size(), "fuse: rule ", rule.name, " gave ",
                   replacements.size(), " values for ", node.name, ", which has ",
                   node.outputs.size(), " outputs");
      for (std::size_t i = 0; i < replacements.size(); ++i) {
        if (!replacements[i]) continue;
        const TensorType& wanted = node.outputs[i];
        ENGINE_CHECK(replacements[i].type() == wanted, "fuse: rule ", rule.name, " gave ",
                     replacements[i].type(), " for ", node.name, ", which is ", wanted);
      }
      graph = replace(graph, id, replacements, old_count);
      return true;
    }
  }
  return false;
}

}  // namespace

Graph fuse(const Graph& graph, std::span<const FusionRule> rules, const Device& device) {
  Graph current = simplify(graph);
  while (rewrite_once(current, rules, device)) {
  }
  return simplify(current);
}

}  // namespace engine
