#include "clocks.h"

#include <algorithm>
#include <unordered_map>

#include "engine/core/cpu_clones.h"
#include "shadow.h"
#include "worker.h"

namespace engine::simt {
namespace {

std::vector<VectorClock*> pool;
std::uint32_t entries = 0;
std::uint32_t engine_clock = 1;
std::unordered_map<const void*, MbarrierClocks> mbarriers;

// Order between blocks, for the launch that runs.
std::uint32_t launch_serial = 0;
std::unordered_map<const void*, std::shared_ptr<const Knowledge>> published;
struct FenceState {
  VectorClock* fenced = nullptr;  // what the thread knew at its last fence
  std::uint32_t clock = 0;
  std::shared_ptr<const Knowledge> pending;  // read by relaxed atomics since
};
std::unordered_map<const Fiber*, FenceState> fences;

VectorClock* copy(const VectorClock* from) {
  VectorClock* to;
  if (pool.empty()) {
    to = new VectorClock;
  } else {
    to = pool.back();
    pool.pop_back();
  }
  to->references = 1;
  to->at = from->at;
  to->known = from->known;
  return to;
}

ENGINE_CPU_CLONES void raise(std::uint32_t* to, const std::uint32_t* from, std::size_t count) {
  for (std::size_t i = 0; i < count; i++) to[i] = to[i] > from[i] ? to[i] : from[i];
}

void add_group(Knowledge& to, std::uint32_t group, const Knowledge::Clocks& clocks) {
  Knowledge::Clocks& entry = to.groups[group];
  if (!entry || entry == clocks) {
    entry = clocks;
    return;
  }
  auto merged = std::make_shared<std::vector<std::uint32_t>>(*entry);
  raise(merged->data(), clocks->data(), merged->size());
  entry = std::move(merged);
}

void add(std::shared_ptr<const Knowledge>& to, const std::shared_ptr<const Knowledge>& from) {
  if (!from || to == from) return;
  if (!to) {
    to = from;
    return;
  }
  auto merged = std::make_shared<Knowledge>(*to);
  for (const auto& [group, clocks] : from->groups) add_group(*merged, group, clocks);
  to = std::move(merged);
}

void raise(VectorClock* to, const VectorClock* from) {
  raise(to->at.data(), from->at.data(), to->at.size());
  add(to->known, from->known);
}

std::uint32_t group_of(const Fiber* fiber) {
  return fiber->block->linear - fiber->block->rank;
}

}  // namespace

void start_clocks(Worker& worker, std::uint32_t fibers) {
  if (fibers + 1 != entries) {
    for (VectorClock* clock : pool) delete clock;
    pool.clear();
    entries = fibers + 1;
  }
  if (worker.launch->serial != launch_serial) {
    launch_serial = worker.launch->serial;
    published.clear();
  }
  fences.clear();
  engine_clock = 1;
  auto* zero = new VectorClock;
  zero->references = 0;
  zero->at.assign(entries, 0);
  for (Block& block : worker.blocks) {
    for (std::uint32_t i = 0; i < block.threads; i++) {
      block.fibers[i].clocks = zero;
      block.fibers[i].clock = 1;
      zero->references++;
    }
  }
  start_shadow(worker);
}

void end_clocks(Worker& worker) {
  for (Block& block : worker.blocks) {
    for (Fiber& fiber : block.fibers) drop(fiber.clocks);
    for (Barrier& barrier : block.barriers) drop(barrier.released);
    for (Warpgroup& group : block.warpgroups) {
      drop(group.commit_clocks);
      drop(group.performed_clocks);
    }
  }
  drop(worker.cluster_barrier.released);
  for (auto& [barrier, clocks] : mbarriers) {
    drop(clocks.arrived);
    drop(clocks.completed);
  }
  mbarriers.clear();
  for (auto& [fiber, state] : fences) drop(state.fenced);
  fences.clear();
}

void drop(VectorClock*& clock) {
  if (clock && --clock->references == 0) {
    clock->known.reset();
    if (clock->at.size() == entries) {
      pool.push_back(clock);
    } else {
      delete clock;
    }
  }
  clock = nullptr;
}

void join_all(Fiber** fibers, std::size_t count) {
  VectorClock* const joined = copy(fibers[0]->clocks);
  const VectorClock* last = fibers[0]->clocks;
  for (std::size_t i = 1; i < count; i++) {
    if (fibers[i]->clocks == last) continue;  // shared since the last barrier
    raise(joined, fibers[i]->clocks);
    last = fibers[i]->clocks;
  }
  for (std::size_t i = 0; i < count; i++) {
    joined->at[fibers[i]->group_index] = fibers[i]->clock++;
    drop(fibers[i]->clocks);
    fibers[i]->clocks = joined;
  }
  joined->references = static_cast<int>(count);
}

VectorClock* snapshot(Fiber* fiber) {
  VectorClock* const taken = copy(fiber->clocks);
  taken->at[fiber->group_index] = fiber->clock++;
  return taken;
}

void join(VectorClock*& into, const VectorClock* from) {
  if (!from) return;
  if (!into) {
    into = copy(from);
    return;
  }
  if (into->references > 1) {
    VectorClock* const own = copy(into);
    drop(into);
    into = own;
  }
  raise(into, from);
}

void release(Fiber* fiber, VectorClock*& into) {
  join(into, fiber->clocks);
  into->at[fiber->group_index] = fiber->clock++;
}

void acquire(Fiber* fiber, VectorClock* from) {
  if (!from || from == fiber->clocks) return;
  VectorClock* const joined = copy(fiber->clocks);
  raise(joined, from);
  drop(fiber->clocks);
  fiber->clocks = joined;
}

std::uint32_t copy_engine() {
  return entries - 1;
}
std::uint32_t copy_engine_clock() {
  return engine_clock;
}
void finish_copy(VectorClock* clock) {
  clock->at[copy_engine()] = engine_clock++;
}

MbarrierClocks& mbarrier_clocks(const void* barrier) {
  return mbarriers[barrier];
}

// --- order through atomics
// -----------------------------------------------------------------------------

static void take_over(Fiber* fiber, const std::shared_ptr<const Knowledge>& from) {
  if (!from) return;
  VectorClock* const joined = copy(fiber->clocks);
  add(joined->known, from);
  const auto own = from->groups.find(group_of(fiber));
  if (own != from->groups.end()) {
    raise(joined->at.data(), own->second->data(), joined->at.size());
  }
  drop(fiber->clocks);
  fiber->clocks = joined;
}

static void publish(const Fiber* fiber, const void* p, const VectorClock* what, std::uint32_t clock,
                    bool after_others) {
  auto clocks = std::make_shared<std::vector<std::uint32_t>>(what->at);
  (*clocks)[fiber->group_index] = clock;
  auto knowledge = std::make_shared<Knowledge>();
  if (what->known) *knowledge = *what->known;
  add_group(*knowledge, group_of(fiber), std::move(clocks));
  std::shared_ptr<const Knowledge>& entry = published[p];
  if (!after_others) entry = nullptr;  // a plain store replaces what was released there
  add(entry, knowledge);
}

void order_atomic(const void* p, Order order, bool reads, bool writes) {
  if (!access_checks) return;
  Fiber* const fiber = current_fiber;
  if (reads) {
    const auto found = published.find(p);
    if (found != published.end()) {
      if (order == Order::kAcquire || order == Order::kAcquireRelease) {
        take_over(fiber, found->second);
      } else {
        add(fences[fiber].pending, found->second);
      }
    }
  }
  if (!writes) return;
  if (order == Order::kRelease || order == Order::kAcquireRelease) {
    publish(fiber, p, fiber->clocks, fiber->clock++, reads);
    return;
  }
  const auto fence = fences.find(fiber);
  if (fence != fences.end() && fence->second.fenced) {
    publish(fiber, p, fence->second.fenced, fence->second.clock, reads);
  } else if (!reads) {
    published.erase(p);
  }
}

void order_fence() {
  if (!access_checks) return;
  Fiber* const fiber = current_fiber;
  FenceState& state = fences[fiber];
  take_over(fiber, state.pending);
  state.pending = nullptr;
  drop(state.fenced);
  state.fenced = fiber->clocks;
  state.fenced->references++;
  state.clock = fiber->clock++;
}

void proxy_fence() {
  mbarrier_fence();
  current_fiber->proxy_fence_clock = current_fiber->clock;
}

void mbarrier_fence() {
  Fiber* const fiber = current_fiber;
  fiber->mbarrier_fence_clock = ++fiber->clock;
}

}  // namespace engine::simt
