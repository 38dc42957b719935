#include <algorithm>
#include <queue>
#include <set>

#include "engine/core/errors.h"
#include "engine/core/graph_data.h"
#include "engine/core/memory_plan.h"
#include "engine/core/passes.h"
#include "engine/core/source_ops.h"

namespace engine {

namespace {

// Rebuilds a graph with its nodes in the given order.
Graph with_order(const Graph& graph, const std::vector<int>& ids) {
  GraphCopy copy(graph);
  for (int id : ids) copy.copy(graph.nodes()[static_cast<std::size_t>(id)]);
  return copy.finish();
}

// How many bytes are alive while an order is followed step by step. Views count as their origin;
// sources live elsewhere.
class LiveSet {
 public:
  explicit LiveSet(const Graph& graph) : graph_(graph), pending_(graph.nodes().size()) {
    for (const Node& node : graph.nodes()) {
      pending_[static_cast<std::size_t>(node.id)].resize(node.outputs.size());
    }
    for (int id : live_nodes(graph)) {
      const Node& node = graph.nodes()[static_cast<std::size_t>(id)];
      if (node.op->is_view()) continue;
      for (const Value& input : node.inputs) ++pending(input);
    }
    for (const auto& [name, value] : graph.outputs()) ++pending(value);
    for (const auto& [name, value] : graph.updates()) ++pending(value);
  }

  // Bytes that running the node adds (negative: frees), once its inputs are there.
  std::int64_t change(const Node& node) const {
    if (is_source(*node.op) || node.op->is_view()) return 0;
    std::int64_t bytes = 0;
    for (const TensorType& type : node.outputs) bytes += aligned(type.bytes());
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const Value origin = origin_of(node.inputs[i]);
      if (is_source(*origin.node().op)) continue;
      int reads = 0;
      bool is_first = true;
      for (std::size_t j = 0; j < node.inputs.size(); ++j) {
        const bool is_same = origin_of(node.inputs[j]) == origin;
        reads += is_same ? 1 : 0;
        if (is_same && j < i) is_first = false;
      }
      if (is_first && pending(origin) == reads) bytes -= aligned(origin.type().bytes());
    }
    return bytes;
  }

  void run(const Node& node) {
    if (is_source(*node.op) || node.op->is_view()) return;
    std::int64_t made = 0;
    for (const TensorType& type : node.outputs) made += aligned(type.bytes());
    peak_ = std::max(peak_, bytes_ + made);
    bytes_ += change(node);
    for (const Value& input : node.inputs) --pending(input);
  }

  std::int64_t peak() const { return peak_; }

 private:
  Value origin_of(Value value) const {
    while (value.node().op->is_view()) value = value.node().inputs[0];
    return value;
  }
  int& pending(const Value& value) {
    const Value origin = origin_of(value);
    return pending_[static_cast<std::size_t>(origin.node_id())]
                   [static_cast<std::size_t>(origin.output_index())];
  }
  int pending(const Value& value) const { return const_cast<LiveSet*>(this)->pending(value); }

  const Graph& graph_;
  std::vector<std::vector<int>> pending_;  // reads to come
  std::int64_t bytes_ = 0;
  std::int64_t peak_ = 0;
};

std::int64_t peak_of(const Graph& graph, const std::vector<int>& ids) {
  LiveSet live(graph);
  for (int id : ids) live.run(graph.nodes()[static_cast<std::size_t>(id)]);
  return live.peak();
}

// Among the ready nodes takes the one that frees the most; ties go to the earlier one.
std::vector<int> greedy_order(const Graph& graph, const std::vector<int>& ids) {
  std::vector<int> missing(graph.nodes().size(), 0);
  std::vector<std::vector<int>> readers(graph.nodes().size());
  std::set<int> ready;
  for (int id : ids) {
    const Node& node = graph.nodes()[static_cast<std::size_t>(id)];
    std::set<int> makers;
    for (const Value& input : node.inputs) makers.insert(input.node_id());
    for (int maker : makers) readers[static_cast<std::size_t>(maker)].push_back(id);
    missing[static_cast<std::size_t>(id)] = static_cast<int>(makers.size());
    if (makers.empty()) ready.insert(id);
  }
  LiveSet live(graph);
  std::vector<int> order;
  while (!ready.empty()) {
    int best = -1;
    std::int64_t best_change = 0;
    for (int id : ready) {
      const std::int64_t change = live.change(graph.nodes()[static_cast<std::size_t>(id)]);
      if (best < 0 || change < best_change) {
        best = id;
        best_change = change;
      }
    }
    ready.erase(best);
    order.push_back(best);
    live.run(graph.nodes()[static_cast<std::size_t>(best)]);
    for (int reader : readers[static_cast<std::size_t>(best)]) {
      if (--missing[static_cast<std::size_t>(reader)] == 0) ready.insert(reader);
    }
  }
  return order;
}

}  // namespace

// The order in which a graph was built is usually good (a backward pass frees what the forward pass
// kept, last first); the greedy one replaces it where it needs less memory.
Graph order(const Graph& graph) {
  const std::vector<int> built = live_nodes(graph);
  const std::vector<int> greedy = greedy_order(graph, built);
  return with_order(graph, peak_of(graph, greedy) < peak_of(graph, built) ? greedy : built);
}

}  // namespace engine
