#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "simt/fiber.h"

// Happens-before of the check build: vector clocks over the threads of the blocks that run
// together, and one more entry for the asynchronous copy engine.
namespace engine::simt {

struct Worker;

// What a thread knows, through atomics, of blocks that ran before its own: the clocks of each group
// of blocks, by the index of its first block.
struct Knowledge {
  using Clocks = std::shared_ptr<const std::vector<std::uint32_t>>;
  std::map<std::uint32_t, Clocks> groups;

  bool knows(std::uint32_t group, std::uint32_t thread, std::uint32_t clock) const {
    const auto found = groups.find(group);
    return found != groups.end() && (*found->second)[thread] >= clock;
  }
};

// Shared between fibers after a barrier; copied when one of them goes on alone.
struct VectorClock {
  int references = 1;
  std::vector<std::uint32_t> at;
  std::shared_ptr<const Knowledge> known;
};

void start_clocks(Worker& worker, std::uint32_t fibers);
void end_clocks(Worker& worker);

// Everybody learns what everybody did before.
void join_all(Fiber** fibers, std::size_t count);
void release(Fiber* fiber, VectorClock*& into);
void acquire(Fiber* fiber, VectorClock* from);
void join(VectorClock*& into, const VectorClock* from);
// What the fiber did so far, for an operation that another unit performs for it later.
VectorClock* snapshot(Fiber* fiber);
void drop(VectorClock*& clock);

// The copy engine's entry, and its step forward after an operation.
std::uint32_t copy_engine();
std::uint32_t copy_engine_clock();
void finish_copy(VectorClock* clock);

struct MbarrierClocks {
  VectorClock *arrived = nullptr, *completed = nullptr;
  const Fiber* initialiser = nullptr;
  std::uint32_t initialised = 0;  // at this clock of it
  Location where{nullptr, 0};
};
MbarrierClocks& mbarrier_clocks(const void* barrier);

}  // namespace engine::simt
