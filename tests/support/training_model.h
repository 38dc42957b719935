#pragma once

#include "engine/core/executable.h"
#include "engine/core/scope.h"

namespace engine {

// A small net whose step uses everything that could differ between two runs: shuffle, augmentation,
// dropout, a schedule, Adam with its slots, and the rings. It trains on pictures made up here.
struct TrainingModel {
  static constexpr std::int64_t kRows = 37, kBatch = 8;

  Graph graph;
  TrainingModel();

  // A compiled step with its data bound.
  Executable compile_step(Store& store, const CompileOptions& options = {}) const;
};

}  // namespace engine
