#pragma once

#include "engine/core/executable.h"

namespace engine {

// The fusion rules of kernels/fusion/, in the order in which they are tried.
std::span<const FusionRule> fusion_rules();

// Makes `graph` ready to run over the entries of `store`, on the store's device: declares missing
// state, runs the passes with the library's fusion rules, prepares every node and lays out all
// memory. The result shares the store's entries.
inline Executable compile(const Graph& graph, Store& store, const CompileOptions& options = {}) {
  return build_executable(graph, store, fusion_rules(), options);
}

}  // namespace engine
