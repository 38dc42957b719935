#include <bit>
#include <cstdlib>

#include "simt/thread_builtins.h"
#include "worker.h"

constinit thread_local uint3 threadIdx{}, blockIdx{};
constinit thread_local dim3 blockDim{}, gridDim{};

namespace engine::simt {

constinit thread_local Fiber* current_fiber = nullptr;
thread_local Worker* current_worker = nullptr;

std::uint64_t Worker::random() {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state;
}

void Worker::make_ready(Fiber* fiber) {
  fiber->wait = Wait::kNothing;
  fiber->warp->ready |= 1u << fiber->lane;
  fiber->block->ready_warps |= 1u << fiber->warp->index;
}

void Worker::make_ready(Warp* warp, std::uint32_t lanes) {
  if (!lanes) return;
  warp->ready |= lanes;
  warp->block->ready_warps |= 1u << warp->index;
}

bool Worker::anything_ready() const {
  for (const Block& block : blocks) {
    if (block.ready_warps) return true;
  }
  return false;
}

std::uint32_t Worker::pick_bit(std::uint32_t bits) {
  if (schedule == Schedule::kOrdered) return std::countr_zero(bits);
  if (schedule == Schedule::kReverse) return 31 - std::countl_zero(bits);
  const auto start = static_cast<int>(random() & 31);
  return (std::countr_zero(std::rotr(bits, start)) + start) & 31;
}

Fiber* Worker::take_lane(Warp* warp) {
  const std::uint32_t lane = pick_bit(warp->ready);
  warp->ready &= ~(1u << lane);
  if (!warp->ready) warp->block->ready_warps &= ~(1u << warp->index);
  return &warp->lanes[lane];
}

// The next fiber to run; asynchronous operations run as late as possible (at random: now and then).
// Null when nothing can run.
Fiber* Worker::pick() {
  const bool at_random = schedule == Schedule::kRandom;
  for (;;) {
    if (current_warp && current_warp->ready && !(at_random && random() % 8 == 0)) {
      return take_lane(current_warp);
    }
    if (at_random && !async.empty() && random() % 4 == 0) run_one_async();
    const std::size_t count = blocks.size();
    std::size_t first = current_block ? current_block - blocks.data() : 0;
    if (at_random && count > 1) first = random() % count;
    for (std::size_t i = 0; i < count; i++) {
      Block& block = blocks[(first + i) % count];
      if (!block.ready_warps) continue;
      current_block = &block;
      current_warp = &block.warps[pick_bit(block.ready_warps)];
      return take_lane(current_warp);
    }
    if (!run_one_async()) return nullptr;
  }
}

bool Worker::run_one_async() {
  if (async.empty()) return false;
  std::size_t at = 0;
  if (config().schedule == Schedule::kReverse) at = async.size() - 1;
  if (config().schedule == Schedule::kRandom) at = random() % async.size();
  const AsyncOperation operation = std::move(async[at]);
  async.erase(async.begin() + static_cast<std::ptrdiff_t>(at));
  operation.perform();
  return true;
}

void Worker::suspend() {
  Fiber* const me = current_fiber;
  Fiber* const next = pick();
  if (next == me) return;
  switches++;
  if (!next) {
    current_fiber = nullptr;
    engine_simt_switch(&me->stack_pointer, scheduler_stack);
    return;
  }
  current_fiber = next;
  ::threadIdx = next->thread;
  if (next->block != me->block) ::blockIdx = next->block->index;
  engine_simt_switch(&me->stack_pointer, next->stack_pointer);
}

void Worker::maybe_yield() {
  if (schedule != Schedule::kRandom || random() % 4 != 0) return;
  make_ready(current_fiber);
  suspend();
}

void yield_to_others() {
  Fiber* const me = current_fiber;
  Worker& worker = *me->block->worker;
  const Schedule schedule = worker.schedule;
  worker.schedule = Schedule::kRandom;
  worker.current_warp = nullptr;
  if (!worker.anything_ready()) worker.run_one_async();
  worker.make_ready(me);
  worker.suspend();
  worker.schedule = schedule;
}

void fiber_main() {
  Worker& worker = *current_worker;
  worker.launch->invoke(worker.launch->arguments);
  Fiber* const fiber = current_fiber;
  if (!fiber->wgmmas.empty()) {
    fail("wgmma", "thread exits with wgmma operations that were never waited for");
  }
  if (!fiber->bulk_stores.empty()) {
    fail("tma", "thread exits with bulk stores never waited for (cp.async.bulk.wait_group)");
  }
  fiber->wait = Wait::kExited;
  fiber->warp->alive &= ~(1u << fiber->lane);
  fiber->block->alive--;
  barrier_after_exit(fiber);
  collective_after_exit(fiber);
  worker.suspend();
  std::abort();  // nobody makes an exited fiber ready
}

void leave_failed_fiber() {
  Fiber* const fiber = current_fiber;
  current_worker->failed = true;
  current_fiber = nullptr;
  fiber->wait = Wait::kExited;
  engine_simt_switch(&fiber->stack_pointer, current_worker->scheduler_stack);
}

}  // namespace engine::simt
