#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "engine/core/graph.h"

namespace engine {

enum class Precision : std::uint8_t {
  automatic,  // bf16 where the device has matrix units for it, else f32
  f32,        // strict; no tf32
  tf32,  // as f32, but convolutions and products round their factors to tf32 (11 significant bits)
         // with f32 accumulators; throws where unsupported
  bf16,  // convolutions and products in bf16 with f32 accumulators; throws where unsupported
};

Precision parse_precision(std::string_view text);  // "auto", "f32", "tf32", "bf16"
std::string_view name_of(Precision precision);

// Who reads each Value of a graph.
class Uses {
 public:
  explicit Uses(const Graph& graph);

  // Reads by nodes, plus one for each output and state update.
  int count(const Value& value) const;
  // Ids of the nodes that read it.
  const std::vector<int>& readers(const Value& value) const;

 private:
  std::vector<std::vector<int>> counts_;
  std::vector<std::vector<std::vector<int>>> readers_;
};

// A rewrite that starts at one node. `rewrite` returns replacements for the node's outputs, built
// from nodes that it adds to `graph` (an empty Value keeps that output), or an empty vector when
// the pattern does not match or the device would not gain.
struct FusionRule {
  std::string name;
  std::function<std::vector<Value>(Graph& graph, const Node& node, const Uses& uses,
                                   const Device& device)>
      rewrite;
};

// Passes: pure functions from graph to graph. Names of inputs, outputs and state survive.

// Drops what no output or update needs, merges equal pure nodes, removes casts and reshapes that do
// nothing.
Graph simplify(const Graph& graph);

// Rewrites matrix ops to take bf16, f32-class ops to take f32, and inserts the casts between.
// Outputs and state keep their types. Matrix ops that have an f16 input take f16. Returns the same
// computation when precision is f32 or tf32.
Graph apply_precision(const Graph& graph, Precision precision);

// Applies the rules until none matches, then simplifies.
Graph fuse(const Graph& graph, std::span<const FusionRule> rules, const Device& device);

// The same nodes in the order of execution: inputs before users, and among the ready nodes the one
// that frees the most memory first.
Graph order(const Graph& graph);

}  // namespace engine
