#include "simt/launch.h"

#include <algorithm>
#include <cstdlib>
#include <thread>

#include "runtime_state.h"
#include "worker.h"

namespace engine::simt {

std::atomic<bool> launch_failed{false};

Config& config() {
  static Config config = [] {
    Config initial;
    if (const char* workers = std::getenv("ENGINE_SIMT_WORKERS")) initial.workers = atoi(workers);
    initial.quiet = std::getenv("ENGINE_SIMT_QUIET") != nullptr;
    return initial;
  }();
  return config;
}

bool run_launch(const LaunchInfo& given) {
  static std::vector<Worker*> workers;  // never freed: their stacks are used again
  static std::uint32_t serial = 0;
  if (workers.empty()) install_fault_handlers();
  LaunchInfo info = given;
  info.serial = ++serial;
  launch_failed = false;
  runtime_counters.launches++;
  record_launch(info.name);

  // Checks keep one set of clocks, and blocks of a cooperative grid run together.
  const int wanted = access_checks || info.cooperative ? 1 : std::max(1, config().workers);
  while (static_cast<int>(workers.size()) < wanted) workers.push_back(new Worker);
  if (wanted == 1) watch(workers[0]);
  std::atomic<std::uint64_t> next{0};
  const std::uint64_t total = std::uint64_t{info.grid.x} * info.grid.y * info.grid.z;
  const auto run = [&](int i) {
    use_alternate_signal_stack();
    workers[i]->run_blocks(info, &next, total);
  };
  std::vector<std::thread> threads;
  for (int i = 1; i < wanted; i++) threads.emplace_back(run, i);
  run(0);
  for (std::thread& thread : threads) thread.join();
  unwatch();
  return !launch_failed;
}

}  // namespace engine::simt
