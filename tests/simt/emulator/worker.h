#pragma once

#include <atomic>
#include <functional>
#include <vector>

#include "simt/control.h"
#include "simt/fiber.h"
#include "simt/launch.h"

namespace engine::simt {

// Something that another unit than a thread does later: a bulk copy.
struct AsyncOperation {
  std::function<void()> perform;
};

struct MbarrierWaiter {
  Fiber* fiber;
  std::uint64_t* barrier;
  std::uint32_t parity;
};

// One OS thread that runs blocks, one cluster (or cooperative grid) at a time.
struct Worker {
  const LaunchInfo* launch = nullptr;
  std::vector<Block> blocks;
  Block* current_block = nullptr;
  Warp* current_warp = nullptr;
  Schedule schedule = Schedule::kOrdered;
  void* scheduler_stack = nullptr;
  bool failed = false;
  std::uint64_t random_state = 1;
  std::uint64_t switches = 0;
  std::vector<AsyncOperation> async;
  std::vector<MbarrierWaiter> mbarrier_waiters;
  Barrier cluster_barrier;  // `expected` counts its generations

  struct Stack {
    char *low, *high;
  };
  std::vector<Stack> stacks;
  std::vector<char*> stack_mappings;  // of many stacks each
  char* shared_arena = nullptr;
  std::uint32_t shared_slots = 0;

  void run_blocks(const LaunchInfo& info, std::atomic<std::uint64_t>* next, std::uint64_t total);
  void run_group(std::uint32_t first_block, std::uint32_t count);

  // The current fiber is not ready: runs others until it is.
  void suspend();
  void maybe_yield();
  bool run_one_async();
  bool anything_ready() const;
  bool is_on_a_stack(const char* p) const;

  void make_ready(Fiber* fiber);
  void make_ready(Warp* warp, std::uint32_t lanes);
  std::uint64_t random();

 private:
  Fiber* pick();
  Fiber* take_lane(Warp* warp);
  std::uint32_t pick_bit(std::uint32_t bits);
  void add_stacks();
  void prepare_block(Block& block, std::uint32_t linear, std::uint32_t rank);
  void prepare_fiber(Fiber& fiber, Warp& warp, std::uint32_t index);
  void check_after_group();
};

extern thread_local Worker* current_worker;
extern std::atomic<bool> launch_failed;

// Saves the registers on the current stack, its top in *save; continues where `load` was saved.
extern "C" void engine_simt_switch(void** save, void* load);
// The stack of a fiber that has not run yet: `entry` is called when it is switched to.
void* prepare_stack(char* top, void (*entry)());

void fiber_main();
void report_deadlock(Worker& worker);
void leave_failed_fiber();
void install_fault_handlers();
// Stops a launch whose current thread never reaches a synchronisation point.
void watch(Worker* worker);
void unwatch();
void use_alternate_signal_stack();

void barrier_after_exit(Fiber* fiber);
void collective_after_exit(Fiber* fiber);

}  // namespace engine::simt
