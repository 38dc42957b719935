#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace engine {

inline constexpr std::int64_t kAlignment = 256;  // bytes, of every tensor in an arena

constexpr std::int64_t aligned(std::int64_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

// A block of memory that is needed from step `first` to step `last` of a schedule, both inclusive.
struct Lifetime {
  std::int64_t bytes = 0;
  int first = 0;
  int last = 0;
};

// Offsets such that blocks alive at the same time never overlap.
struct ArenaLayout {
  std::vector<std::int64_t> offsets;  // per block, multiples of kAlignment
  std::int64_t bytes = 0;             // of the arena
  std::int64_t largest_live_set = 0;  // bytes alive at the fullest step: no layout can be smaller
};

// Places larger blocks first, each at the lowest offset that is free over its whole lifetime
// (Pisarchyk and Lee 2020, arXiv:2001.03288, "greedy by size for offset calculation"), and keeps
// the best of several such orders.
ArenaLayout lay_out(std::span<const Lifetime> blocks);

// What an executable needs, known before the first step. All in bytes.
struct MemoryPlan {
  std::int64_t arena = 0;             // intermediates and scratch
  std::int64_t largest_live_set = 0;  // lower bound of the arena for the chosen order
  std::int64_t state = 0;             // entries of the Store that the graph uses
  std::int64_t inputs = 0;
  std::int64_t packed = 0;  // constants and packed frozen parameters

  struct Consumer {
    std::string name;
    std::int64_t bytes = 0;
  };
  std::vector<Consumer> largest;  // intermediates, largest first, at most ten

  std::int64_t total() const { return arena + state + inputs + packed; }
};

std::string megabytes(std::int64_t bytes);  // "12.34 MiB"

// For errors: the ten largest, one a line, each after a line break.
std::string list_largest(std::vector<MemoryPlan::Consumer> consumers);

}  // namespace engine
