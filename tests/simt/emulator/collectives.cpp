#include <bit>

#include "clocks.h"
#include "worker.h"

namespace engine::simt {

// --- block barriers
// --------------------------------------------------------------------------------

static void complete(Barrier& barrier, Worker& worker, Fiber* last) {
  if (access_checks) {
    std::vector<Fiber*> all = barrier.waiters;
    if (last) all.push_back(last);
    join_all(all.data(), all.size());
    if (barrier.released) {
      for (Fiber* fiber : all) acquire(fiber, barrier.released);
      drop(barrier.released);
    }
  }
  for (Fiber* fiber : barrier.waiters) {
    fiber->waits = 0;
    worker.make_ready(fiber);
  }
  if (last) last->waits = 0;
  barrier.waiters.clear();
  barrier.arrived = barrier.expected = 0;
}

void barrier_sync(std::uint32_t id, std::uint32_t threads, Location where) {
  Fiber* const me = current_fiber;
  Block& block = *me->block;
  Barrier& barrier = block.barriers[id];
  const bool whole_block = threads == 0;
  if (whole_block && id == 0 && barrier.arrived && !(barrier.where == where)) {
    fail("divergent-barrier",
         "this thread is at __syncthreads() %s:%d while %u thread(s) of its block wait at %s:%d",
         file_name(where.file), where.line, barrier.arrived, file_name(barrier.where.file),
         barrier.where.line);
  }
  const std::uint32_t expected = whole_block ? block.threads : threads;
  if (barrier.arrived && barrier.expected != expected) {
    fail("barrier", "bar.sync %u with %u threads at %s:%d, others gave %u", id, expected,
         file_name(where.file), where.line, barrier.expected);
  }
  barrier.expected = expected;
  barrier.where = where;
  barrier.arrived++;
  const std::uint32_t needed = whole_block ? block.alive : threads;
  if (barrier.arrived > needed) {
    fail("barrier", "bar.sync %u at %s:%d: more arrivals than %u", id, file_name(where.file),
         where.line, needed);
  }
  if (barrier.arrived < needed) {
    me->wait = Wait::kBarrier;
    me->barrier = id;
    me->where = where;
    barrier.waiters.push_back(me);
    block.worker->suspend();
    return;
  }
  if (whole_block && block.alive != block.threads) {
    fail("divergent-barrier",
         "__syncthreads() %s:%d reached by %u of %u threads: the others exited",
         file_name(where.file), where.line, block.alive, block.threads);
  }
  complete(barrier, *block.worker, me);
  block.worker->maybe_yield();
}

void barrier_arrive(std::uint32_t id, std::uint32_t threads, Location where) {
  Fiber* const me = current_fiber;
  Barrier& barrier = me->block->barriers[id];
  if (barrier.arrived && barrier.expected != threads) {
    fail("barrier", "bar.arrive %u with %u threads at %s:%d, others gave %u", id, threads,
         file_name(where.file), where.line, barrier.expected);
  }
  barrier.expected = threads;
  barrier.where = where;
  barrier.arrived++;
  if (access_checks) release(me, barrier.released);
  if (barrier.arrived == threads) complete(barrier, *me->block->worker, nullptr);
}

// A barrier of the whole block that only waits for threads that exited.
void barrier_after_exit(Fiber* fiber) {
  const Block& block = *fiber->block;
  const Barrier& barrier = block.barriers[0];
  if (!barrier.arrived || barrier.expected != block.threads || barrier.arrived != block.alive) {
    return;
  }
  fail("divergent-barrier",
       "%u threads wait at __syncthreads() %s:%d but %u thread(s) of the block exited without "
       "reaching it",
       barrier.arrived, file_name(barrier.where.file), barrier.where.line,
       block.threads - block.alive);
}

// --- cluster barrier
// ---------------------------------------------------------------------------------

// The barrier takes whole warps (.aligned). Lanes of which one waited for an mbarrier more often
// than another need not have met again.
static void check_whole_warps(Block& block, Location where) {
  for (Warp& warp : block.warps) {
    const std::uint32_t first = static_cast<std::uint32_t>(std::countr_zero(warp.alive));
    for (std::uint32_t rest = warp.alive; rest; rest &= rest - 1) {
      Fiber& lane = warp.lanes[std::countr_zero(rest)];
      if (lane.waits != warp.lanes[first].waits) {
        fail("divergent-warp-op",
             "cluster_arrive() at %s:%d is for whole warps: since warp %u last met, lane %u waited "
             "%u times for an mbarrier, lane %u %u times",
             file_name(where.file), where.line, warp.index, lane.lane, lane.waits, first,
             warp.lanes[first].waits);
      }
    }
    for (std::uint32_t rest = warp.alive; rest; rest &= rest - 1) {
      warp.lanes[std::countr_zero(rest)].waits = 0;
    }
  }
}

void cluster_arrive(Location where) {
  Fiber* const me = current_fiber;
  Worker& worker = *me->block->worker;
  Barrier& barrier = worker.cluster_barrier;
  if (access_checks) release(me, barrier.released);
  barrier.arrived++;
  barrier.where = where;
  me->key = barrier.expected;
  std::uint32_t needed = 0;
  for (const Block& block : worker.blocks) needed += block.alive;
  if (barrier.arrived < needed) return;
  for (Block& block : worker.blocks) check_whole_warps(block, where);
  barrier.arrived = 0;
  barrier.expected++;
  for (Fiber* waiter : barrier.waiters) worker.make_ready(waiter);
  barrier.waiters.clear();
}

void cluster_wait(Location where) {
  Fiber* const me = current_fiber;
  Worker& worker = *me->block->worker;
  Barrier& barrier = worker.cluster_barrier;
  if (me->key == barrier.expected) {
    me->wait = Wait::kCluster;
    me->where = where;
    barrier.waiters.push_back(me);
    worker.suspend();
  }
  if (access_checks && barrier.released) acquire(me, barrier.released);
}

// --- warp collectives
// ----------------------------------------------------------------------------------

static void check_agreement(const Fiber& me, const Fiber& other) {
  if (other.mask == me.mask && other.collective == me.collective && other.where == me.where) return;
  fail(
      "divergent-warp-op",
      "lanes of one warp meet in different warp operations: lane %u at %s:%d mask %08x, lane %u at "
      "%s:%d mask %08x",
      me.lane, file_name(me.where.file), me.where.line, me.mask, other.lane,
      file_name(other.where.file), other.where.line, other.mask);
}

void warp_collective(std::uint32_t mask, Collective collective, void* argument,
                     PerformCollective perform, Location where) {
  Fiber* const me = current_fiber;
  Warp& warp = *me->warp;
  Worker& worker = *me->block->worker;
  const std::uint32_t my_bit = 1u << me->lane;
  if (!(mask & my_bit)) {
    fail("warp-op", "lane %u executes a warp operation whose mask %08x does not name it, at %s:%d",
         me->lane, mask, file_name(where.file), where.line);
  }
  if (mask & ~warp.alive) {
    fail("divergent-warp-op", "warp operation at %s:%d names lanes %08x that exited",
         file_name(where.file), where.line, mask & ~warp.alive);
  }
  me->argument = argument;
  me->mask = mask;
  me->collective = collective;
  me->where = where;
  warp.waiting |= my_bit;
  if ((warp.waiting & mask) != mask) {
    me->wait = Wait::kWarp;
    worker.suspend();
    return;
  }
  Fiber* lanes[32];
  std::uint32_t count = 0;
  for (std::uint32_t rest = mask; rest; rest &= rest - 1) {
    lanes[count++] = &warp.lanes[std::countr_zero(rest)];
  }
  for (std::uint32_t i = 0; i < count; i++) check_agreement(*me, *lanes[i]);
  if (perform) perform(&warp, mask);
  if (access_checks) join_all(lanes, count);
  for (std::uint32_t i = 0; i < count; i++) lanes[i]->waits = 0;
  warp.waiting &= ~mask;
  worker.make_ready(&warp, mask & ~my_bit);
  worker.maybe_yield();
}

void collective_after_exit(Fiber* fiber) {
  const Warp& warp = *fiber->warp;
  if (!warp.waiting) return;
  const Fiber& other = warp.lanes[std::countr_zero(warp.waiting)];
  if (!(other.mask >> fiber->lane & 1)) return;
  fail("divergent-warp-op",
       "lane %u exited while lane %u waits for it in a warp operation at %s:%d (mask %08x)",
       fiber->lane, other.lane, file_name(other.where.file), other.where.line, other.mask);
}

}  // namespace engine::simt
