#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/core/graph.h"
#include "engine/core/store.h"

namespace engine {

// The outputs of a graph, in order of Graph::outputs(), evaluated node by node on `device` without
// compile(): each node is prepared by itself. Inputs may lie anywhere, outputs are CPU tensors.
// State comes from `store` where it has the entry, else from the entry's Init; updates are not
// applied. For every node:
//   - outputs and scratch begin as NaN (all bits set) and have guard bands before and behind, as
//     inputs have, whose bands are NaN;
//   - inputs must be unchanged afterwards;
//   - a second run must give the same bits;
//   - for each in-place pair, a run with the output over the input must give the same bits.
// Inputs and outputs are aligned to 256 bytes, or begin `offset` bytes (below 256) behind.
// Throws std::runtime_error naming the node when one of these fails, or an input is missing.
std::vector<Tensor> interpret(const Graph& graph, const std::map<std::string, Tensor>& inputs,
                              const Store* store = nullptr, Device device = Device::cpu(),
                              std::int64_t offset = 0);

// Bytes of each guard band on a GPU. 0 where that guards allocations itself, as the emulated one
// does: it sees reads too, also those whose value goes nowhere.
extern std::int64_t gpu_guard_bytes;

}  // namespace engine
