// run() allocates nothing and costs next to nothing besides its kernels.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string>

#include <gtest/gtest.h>

#include "engine/kernels/record.h"
#include "tests/support/count_allocations.h"
#include "tests/support/training_model.h"

namespace engine {
namespace {

constexpr const char* kCannotCount = "not with a sanitizer, nor without glibc";

TEST(Allocation, TheCounterCounts) {
  if (!can_count_allocations()) GTEST_SKIP() << kCannotCount;
  const Allocations some = count_allocations([] {
    // Volatile, or the compiler leaves out what nobody uses.
    void* volatile a = std::malloc(10);
    void* volatile b = std::aligned_alloc(64, 64);
    std::string* volatile c = new std::string(100, 'x');
    std::free(a);
    std::free(b);
    delete c;
  });
  EXPECT_EQ(some.calls, 4);
  EXPECT_EQ(count_allocations([] {}).calls, 0);
}

class AllocationInRun : public testing::TestWithParam<Precision> {};

TEST_P(AllocationInRun, None) {
  if (!can_count_allocations()) GTEST_SKIP() << kCannotCount;
  for (const int threads : {1, 2}) {
    const TrainingModel model;
    Store store(Device::cpu({.threads = threads}));
    Executable step = model.compile_step(store, {.precision = GetParam()});
    step.run(3);  // threads begin, and oneDNN fills its own caches
    const Allocations found = count_allocations([&] { step.run(20); });
    EXPECT_EQ(found.calls, 0) << threads << " threads";
    std::printf("%d threads: oneDNN itself makes %.1f calls a step, of at most %d bytes\n", threads,
                static_cast<double>(found.onednn_calls) / 20,
                static_cast<int>(found.onednn_largest));
    EXPECT_LE(found.onednn_largest, 1024) << "oneDNN allocates more than its bookkeeping";
  }
}

INSTANTIATE_TEST_SUITE_P(Precisions, AllocationInRun,
                         testing::Values(Precision::f32, Precision::automatic),
                         [](const auto& info) { return std::string(name_of(info.param)); });

// 200 nodes that do next to nothing, so that what is measured is the way from node to node.
TEST(Overhead, AtMostTwoMicrosecondsANode) {
  constexpr int kNodes = 200;
  Graph graph;
  Value ring = graph.read_state({.name = "ring", .shape = {1}});
  for (int i = 0; i < kNodes; ++i) {
    ring = record_in_ring(ring, graph.constant(static_cast<float>(i)), graph.clock());
  }
  graph.update_state("ring", ring);
  Store store(Device::cpu({.threads = 1}));
  Executable step = build_executable(graph, store, {});
  double best = 1e9;
  for (int repeat = 0; repeat < 20; ++repeat) {
    const auto begin = std::chrono::steady_clock::now();
    step.run(50);
    const std::chrono::duration<double, std::micro> time = std::chrono::steady_clock::now() - begin;
    best = std::min(best, time.count() / 50 / kNodes);
  }
  EXPECT_EQ(store.get("ring").to_floats()[0], kNodes - 1);
  std::printf("%.4f us a node, its kernel included\n", best);
  EXPECT_LE(best, 2.0);
}

}  // namespace
}  // namespace engine
