#include <algorithm>
#include <cstdlib>
#include <cstring>

#include <sys/mman.h>

#include "clocks.h"
#include "shared_memory.h"
#include "simt/thread_builtins.h"
#include "worker.h"

// Blocks that run together: one, a cluster, or a whole cooperative grid.
namespace engine::simt {
namespace {

constexpr std::size_t kStackBytes = 64 << 10;
constexpr std::size_t kStacksPerMapping = 64;
constexpr std::size_t kHugePage = 2 << 20;
constexpr std::size_t kPage = 4096;
// Found at the low end of a stack unless it overflowed.
constexpr std::uint64_t kStackCanary = 0x5AFE57AC4;
// Address space of one block's dynamic shared memory, the guard page included.
constexpr std::size_t kSharedSlot = 512 << 10;
constexpr std::size_t kSharedAlignment = 1024;

std::uint64_t& canary(char* stack_low) {
  return *reinterpret_cast<std::uint64_t*>(stack_low);
}

char* map(std::size_t bytes) {
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) {
    report("memory", "cannot map %zu bytes for fibers", bytes);
    std::abort();
  }
  return static_cast<char*>(p);
}

}  // namespace

// Huge pages halve the time of a switch, but leave no room for guard pages: a canary stands there
// instead. ENGINE_SIMT_GUARD_STACKS=1 gives guard pages, for finding the place of an overflow.
void Worker::add_stacks() {
  static const bool guard = std::getenv("ENGINE_SIMT_GUARD_STACKS") != nullptr;
  const std::size_t bytes = kStacksPerMapping * kStackBytes;
  char* base = map(bytes + kHugePage);
  base += (kHugePage - reinterpret_cast<std::uintptr_t>(base) % kHugePage) % kHugePage;
  if (!guard) madvise(base, bytes, MADV_HUGEPAGE);
  stack_mappings.push_back(base);
  for (std::size_t i = 0; i < kStacksPerMapping; i++) {
    char* const low = base + i * kStackBytes;
    if (guard) mprotect(low, kPage, PROT_NONE);
    // Tops at different offsets in their pages, lest all stacks fight for the same cache sets.
    const std::size_t colour = stacks.size() * 272 % kPage / 16 * 16;
    stacks.push_back({low + kPage, low + kStackBytes - colour});
    canary(stacks.back().low) = kStackCanary;
  }
}

bool Worker::is_on_a_stack(const char* p) const {
  return std::any_of(stack_mappings.begin(), stack_mappings.end(), [p](const char* base) {
    return p >= base && p < base + kStacksPerMapping * kStackBytes;
  });
}

void Worker::prepare_fiber(Fiber& fiber, Warp& warp, std::uint32_t index) {
  const dim3& size = launch->block;
  Block& block = *warp.block;
  fiber.thread = {index % size.x, index / size.x % size.y, index / size.x / size.y};
  fiber.index = index;
  fiber.group_index = block.rank * block.threads + index;
  fiber.lane = index % 32;
  fiber.warp = &warp;
  fiber.block = &block;
  fiber.wait = Wait::kNothing;
  fiber.where = {nullptr, 0};
  fiber.key = 0;
  fiber.copies.clear();
  fiber.copy_group = fiber.wgmma_group = fiber.bulk_group = fiber.waits = 0;
  fiber.proxy_fence_clock = fiber.mbarrier_fence_clock = 0;
  fiber.wgmma_chains.clear();
  fiber.is_wgmma_fenced = false;
  fiber.wgmmas.clear();
  fiber.saved_accumulators.clear();
  fiber.bulk_stores.clear();
  const Stack& stack = stacks[fiber.group_index];
  fiber.stack_low = stack.low;
  fiber.stack_high = stack.high;
  fiber.stack_pointer = prepare_stack(stack.high, fiber_main);
}

void Worker::prepare_block(Block& block, std::uint32_t linear, std::uint32_t rank) {
  const LaunchInfo& info = *launch;
  const std::uint32_t threads = info.block.x * info.block.y * info.block.z;
  const std::uint32_t warps = (threads + 31) / 32;
  block.linear = linear;
  block.rank = rank;
  block.worker = this;
  block.index = {linear % info.grid.x, linear / info.grid.x % info.grid.y,
                 linear / info.grid.x / info.grid.y};
  if (block.threads != threads) {
    block.fibers.clear();
    block.fibers.resize(warps * 32);
    block.warps.assign(warps, Warp{});
  }
  block.threads = block.alive = threads;
  block.ready_warps = 0;
  for (Barrier& barrier : block.barriers) {
    barrier.arrived = barrier.expected = 0;
    barrier.waiters.clear();
    barrier.released = nullptr;
  }
  block.warpgroups.assign((warps + 3) / 4, Warpgroup{});

  // Dynamic shared memory ends at a guard page, as near as its alignment allows.
  char* const guard = shared_arena + (rank + 1) * kSharedSlot - kPage;
  block.slot_low = shared_arena + rank * kSharedSlot;
  block.slot_high = guard + kPage;
  block.dynamic_shared_bytes = static_cast<std::uint32_t>(info.shared_bytes);
  block.dynamic_shared =
      guard - (info.shared_bytes + kSharedAlignment - 1) / kSharedAlignment * kSharedAlignment;

  for (std::uint32_t i = 0; i < warps; i++) {
    Warp& warp = block.warps[i];
    warp.index = i;
    warp.block = &block;
    warp.lanes = &block.fibers[i * 32];
    warp.waiting = 0;
    const std::uint32_t lanes = std::min(32u, threads - i * 32);
    warp.alive = warp.ready = lanes == 32 ? ~0u : (1u << lanes) - 1;
    block.ready_warps |= 1u << i;
    for (std::uint32_t lane = 0; lane < lanes; lane++) {
      prepare_fiber(warp.lanes[lane], warp, i * 32 + lane);
    }
  }
  poison_shared(*this, block);
}

void Worker::run_group(std::uint32_t first_block, std::uint32_t count) {
  const std::uint32_t threads = launch->block.x * launch->block.y * launch->block.z;
  if (blocks.size() != count) blocks.resize(count);
  while (stacks.size() < static_cast<std::size_t>(count) * threads) add_stacks();
  async.clear();
  mbarrier_waiters.clear();
  cluster_barrier = Barrier{};
  current_block = nullptr;
  current_warp = nullptr;
  for (std::uint32_t rank = 0; rank < count; rank++) {
    prepare_block(blocks[rank], first_block + rank, rank);
  }
  if (access_checks) start_clocks(*this, count * threads);
  ::blockDim = launch->block;
  ::gridDim = launch->grid;
  if (Fiber* fiber = pick()) {
    current_fiber = fiber;
    ::threadIdx = fiber->thread;
    ::blockIdx = fiber->block->index;
    engine_simt_switch(&scheduler_stack, fiber->stack_pointer);
  }
  current_fiber = nullptr;
  if (!failed) check_after_group();
  if (access_checks) end_clocks(*this);
}

// What only shows once nothing runs any more.
void Worker::check_after_group() {
  std::uint32_t alive = 0;
  bool overflowed = false, copies_in_flight = false;
  for (const Block& block : blocks) {
    alive += block.alive;
    for (std::uint32_t i = 0; i < block.threads; i++) {
      overflowed |= canary(block.fibers[i].stack_low) != kStackCanary;
      copies_in_flight |= !block.fibers[i].copies.empty();
    }
  }
  if (alive) {
    report_deadlock(*this);
  } else if (overflowed) {
    report("stack", "kernel %s: a thread overflowed its %zu KB stack", launch->name,
           kStackBytes >> 10);
    for (const Stack& stack : stacks) canary(stack.low) = kStackCanary;
  } else if (!async.empty()) {
    report("async", "kernel %s: a block exited with %zu bulk copies in flight", launch->name,
           async.size());
  } else if (copies_in_flight) {
    // The hardware finishes them, so the launch goes on; nobody can have read the result in order.
    report("cp.async", "kernel %s: a thread exited with cp.async copies never waited for",
           launch->name);
    return;
  } else {
    return;
  }
  failed = true;
  launch_failed = true;
}

void Worker::run_blocks(const LaunchInfo& info, std::atomic<std::uint64_t>* next,
                        std::uint64_t total) {
  current_worker = this;
  launch = &info;
  failed = false;
  schedule = config().schedule;
  random_state = 88172645463325252ull ^ (config().seed * 0x9E3779B97F4A7C15ull);
  for (int i = 0; i < 4; i++) random();
  const auto count = static_cast<std::uint32_t>(
      info.cooperative ? total : info.cluster.x * info.cluster.y * info.cluster.z);
  if (shared_slots < count) {
    if (shared_arena) munmap(shared_arena, kSharedSlot * shared_slots);
    shared_arena = map(kSharedSlot * count);
    shared_slots = count;
    for (std::uint32_t slot = 1; slot <= count; slot++) {
      mprotect(shared_arena + slot * kSharedSlot - kPage, kPage, PROT_NONE);
    }
  }
  for (;;) {
    const std::uint64_t block = next->fetch_add(count);
    if (block >= total || launch_failed) break;
    const bool backwards = config().schedule == Schedule::kReverse;
    run_group(static_cast<std::uint32_t>(backwards ? total - count - block : block), count);
    if (failed) break;
  }
  current_worker = nullptr;
}

}  // namespace engine::simt
