#include "ptx_mbarrier.h"

#include <cstdio>

#include "clocks.h"
#include "runtime_state.h"
#include "worker.h"

namespace engine::simt {

// The opaque 64 bits: phase 1 | pending arrivals 20 | expected arrivals 20 | pending bytes 23,
// signed.
struct MbarrierState {
  std::uint32_t phase, pending, expected;
  std::int32_t bytes;

  static MbarrierState unpack(std::uint64_t v) {
    return {static_cast<std::uint32_t>(v & 1), static_cast<std::uint32_t>(v >> 1 & 0xfffff),
            static_cast<std::uint32_t>(v >> 21 & 0xfffff),
            static_cast<std::int32_t>(static_cast<std::int64_t>(v) >> 41)};
  }
  std::uint64_t pack() const {
    return (phase & 1) | std::uint64_t{pending} << 1 | std::uint64_t{expected} << 21 |
           static_cast<std::uint64_t>(static_cast<std::int64_t>(bytes)) << 41;
  }
};

std::string describe_mbarrier(std::uint32_t address, Block* block) {
  const auto state =
      MbarrierState::unpack(*static_cast<std::uint64_t*>(shared_pointer(address, block)));
  char text[96];
  std::snprintf(text, sizeof text, "phase %u, pending arrivals %u, pending bytes %d", state.phase,
                state.pending, state.bytes);
  return text;
}

// Ends the phase once everything has arrived.
static void settle(Worker& worker, std::uint64_t* barrier) {
  const auto state = MbarrierState::unpack(*barrier);
  if (state.pending || state.bytes) return;
  *barrier = MbarrierState{state.phase ^ 1, state.expected, state.expected, 0}.pack();
  if (access_checks) {
    MbarrierClocks& clocks = mbarrier_clocks(barrier);
    join(clocks.completed, clocks.arrived);
    drop(clocks.arrived);
  }
  auto& waiters = worker.mbarrier_waiters;
  for (std::size_t i = 0; i < waiters.size();) {
    if (waiters[i].barrier == barrier && (*barrier & 1) != waiters[i].parity) {
      worker.make_ready(waiters[i].fiber);
      waiters.erase(waiters.begin() + static_cast<std::ptrdiff_t>(i));
    } else {
      i++;
    }
  }
}

std::uint64_t* mbarrier_pointer(std::uint32_t address, Block* block, Location where) {
  if (address % 8) {
    fail("mbarrier", "misaligned mbarrier address 0x%x at %s:%d", address, file_name(where.file),
         where.line);
  }
  return static_cast<std::uint64_t*>(shared_pointer(address, block));
}

void check_mbarrier(const std::uint64_t* barrier, Location where) {
  const auto state = MbarrierState::unpack(*barrier);
  if (*barrier != ~0ull && state.expected != 0 && state.pending <= state.expected) return;
  fail("mbarrier", "operation on an uninitialised mbarrier at %s:%d", file_name(where.file),
       where.line);
}

void check_mbarrier_fence(const std::uint64_t* barrier, Location where) {
  if (!access_checks) return;
  const MbarrierClocks& clocks = mbarrier_clocks(barrier);
  if (!clocks.initialiser || clocks.initialiser->mbarrier_fence_clock > clocks.initialised) return;
  fail("mbarrier",
       "bulk copy at %s:%d need not see the mbarrier that was initialised at %s:%d with no "
       "fence_mbarrier_init() since",
       file_name(where.file), where.line, file_name(clocks.where.file), clocks.where.line);
}

void mbarrier_complete_bytes(Worker& worker, std::uint64_t* barrier, std::uint32_t bytes) {
  auto state = MbarrierState::unpack(*barrier);
  state.bytes -= static_cast<std::int32_t>(bytes);
  *barrier = state.pack();
  settle(worker, barrier);
}

void mbarrier_init(std::uint32_t address, std::uint32_t count, Location where) {
  std::uint64_t* const barrier = mbarrier_pointer(address, nullptr, where);
  if (count == 0 || count > 0xfffff) {
    fail("mbarrier", "arrival count %u at %s:%d", count, file_name(where.file), where.line);
  }
  if (access_checks) {
    check_access(barrier, 8, Access::kWrite, __builtin_return_address(0));
    MbarrierClocks& clocks = mbarrier_clocks(barrier);
    clocks.initialiser = current_fiber;
    clocks.initialised = current_fiber->clock;
    clocks.where = where;
  }
  *barrier = MbarrierState{0, count, count, 0}.pack();
}

void mbarrier_invalidate(std::uint32_t address, Location where) {
  std::uint64_t* const barrier = mbarrier_pointer(address, nullptr, where);
  check_mbarrier(barrier, where);
  if (access_checks) check_access(barrier, 8, Access::kWrite, __builtin_return_address(0));
  *barrier = ~0ull;
}

void mbarrier_arrive(std::uint32_t address, std::uint32_t arrivals, std::int32_t bytes,
                     Location where) {
  Fiber* const fiber = current_fiber;
  std::uint64_t* const barrier = mbarrier_pointer(address, nullptr, where);
  check_mbarrier(barrier, where);
  if (access_checks) {
    check_access(barrier, 8, Access::kAtomic, __builtin_return_address(0));
    release(fiber, mbarrier_clocks(barrier).arrived);
  }
  auto state = MbarrierState::unpack(*barrier);
  if (state.pending < arrivals) {
    fail("mbarrier", "more arrivals than the count of %u in one phase, at %s:%d", state.expected,
         file_name(where.file), where.line);
  }
  state.pending -= arrivals;
  state.bytes += bytes;
  *barrier = state.pack();
  settle(*fiber->block->worker, barrier);
}

bool mbarrier_try_wait(std::uint32_t address, std::uint32_t parity, Location where) {
  Fiber* const fiber = current_fiber;
  Worker& worker = *fiber->block->worker;
  std::uint64_t* const barrier = mbarrier_pointer(address, nullptr, where);
  check_mbarrier(barrier, where);
  if (access_checks) check_access(barrier, 8, Access::kAtomic, __builtin_return_address(0));
  if ((*barrier & 1) != parity) {
    worker.maybe_yield();
  } else {
    const bool others = worker.anything_ready() || !worker.async.empty();
    if (worker.schedule == Schedule::kRandom && others && worker.random() % 8 == 0) {
      worker.make_ready(fiber);  // a time-out: the others run meanwhile
      worker.suspend();
      return false;
    }
    fiber->wait = Wait::kMbarrier;
    fiber->key = std::uint64_t{parity} << 32 | address;
    fiber->where = where;
    worker.mbarrier_waiters.push_back({fiber, barrier, parity});
    worker.suspend();
  }
  if (access_checks) acquire(fiber, mbarrier_clocks(barrier).completed);
  fiber->waits++;
  return true;
}

}  // namespace engine::simt
