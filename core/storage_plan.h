#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/core/graph.h"

namespace engine {

// Which memory every value of an ordered graph lives in, and what has to be copied when a step
// ends. A pure function of the graph; offsets and allocation come later.
struct StoragePlan {
  enum class Kind : std::uint8_t {
    arena,       // an intermediate; alive from step `first` to `last`
    input,       // given by the caller
    constant,    // uploaded when compiling
    state,       // an entry of the Store
    persistent,  // computed once when compiling, from constants and frozen parameters
  };
  struct Storage {
    Kind kind = Kind::arena;
    std::string name;  // of the input, state entry or node
    std::int64_t bytes = 0;
    int first = 0;  // positions in `schedule`; schedule.size() is the end of the step
    int last = 0;
  };
  struct Copy {
    int from = 0;  // storages
    int to = 0;
  };

  std::vector<Storage> storages;
  std::vector<std::vector<int>> storage_of;  // per node, per output
  std::vector<int> once;                     // nodes to run when compiling
  std::vector<int> schedule;        // nodes to run in every step; sources and views are in neither
  std::vector<Copy> copies;         // when a step ends, in this order
  std::vector<int> output_storage;  // per named output
};

// `is_frozen` tells whether a state entry never changes while the executable lives. New values of
// state are made right in the entry's memory where nothing reads the old one later; else they are
// made in the arena and copied when the step ends.
StoragePlan plan_storage(const Graph& graph,
                         const std::function<bool(const StateSpec&)>& is_frozen);

}  // namespace engine
