#pragma once

// Private to core: what a Graph holds, and access to it for the passes.
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/graph.h"

namespace engine {

// The state entry behind Graph::clock(), Store::seed() and Store::step().
inline constexpr std::string_view kClockName = "engine.clock";

struct GraphData : std::enable_shared_from_this<GraphData> {
  std::deque<Node> nodes;
  std::vector<std::pair<std::string, Value>> outputs;
  std::vector<std::pair<std::string, Value>> updates;
  std::vector<StateSpec> states;
  std::map<std::string, Value, std::less<>> state_values;
  std::map<std::string, int, std::less<>> name_counts;
  std::string name_prefix;
};

// Copies a graph node by node into a new one; a pass decides what becomes of each. Names, state,
// outputs and updates survive.
class GraphCopy {
 public:
  // Declares the same state, so that entries keep their order.
  explicit GraphCopy(const Graph& source);

  Graph& target() { return target_; }
  Value mapped(const Value& old) const;
  std::vector<Value> mapped(const std::vector<Value>& old) const;
  bool is_mapped(const Value& old) const;
  void map(const Value& old, const Value& replacement);

  // Adds the node as it is, over the mapped inputs (or the given ones), and maps its outputs.
  void copy(const Node& node);
  void copy(const Node& node, std::vector<Value> inputs);

  // Maps outputs and updates and returns the new graph.
  Graph finish();

 private:
  const Graph* source_;
  Graph target_;
  std::vector<std::vector<Value>> map_;  // per old node, per output
};

// The graph with `replacements` (one per output of node `id`; empty: keep) in that node's place.
// Nodes at the end of `graph` that belong to no older reader, added for the replacement, go there
// too; they may read the replaced node itself.
Graph replace(const Graph& graph, int id, const std::vector<Value>& replacements, int old_count);

// Ids of the nodes that outputs and updates need, in the graph's order.
std::vector<int> live_nodes(const Graph& graph);

}  // namespace engine
