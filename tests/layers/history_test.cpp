#include "engine/layers/history.h"

#include <gtest/gtest.h>

#include "engine/core/executable.h"
#include "engine/optim/schedule.h"
#include "tests/support/devices.h"

namespace engine {
namespace {

class History : public testing::TestWithParam<Device> {};
INSTANTIATE_TEST_SUITE_P(Devices, History, testing::ValuesIn(test_devices()), device_name);

TEST_P(History, KeepsTheLatestStepsAndRefusesOthers) {
  Graph graph;
  const Scope net(graph);
  record(net / "a", "rate", linear_schedule(graph, {.peak = 8, .total_steps = 8}), 4);
  graph.advance_clock();
  Store store(GetParam());
  Executable step = build_executable(graph, store, {});
  step.run(3);
  EXPECT_EQ(recorded(store, "a.rate", 0, 3), (std::vector<float>{8, 7, 6}));
  EXPECT_EQ(recorded(store, "a.rate", 1, 1), std::vector<float>());
  EXPECT_THROW(recorded(store, "a.rate", 0, 4), InvalidArgument);  // not made yet
  step.run(3);
  EXPECT_EQ(recorded(store, "a.rate", 2, 6), (std::vector<float>{6, 5, 4, 3}));
  EXPECT_THROW(recorded(store, "a.rate", 1, 6), InvalidArgument);  // overwritten
  EXPECT_THROW(recorded(store, "a.rate", 5, 4), InvalidArgument);
  EXPECT_THROW(recorded(store, "rate", 5, 6), InvalidArgument);
}

TEST(HistoryErrors, RefusesNoCapacity) {
  Graph graph;
  EXPECT_THROW(record(Scope(graph), "x", graph.constant(1), 0), InvalidArgument);
}

TEST(State, UpdatesCanBeBuiltOnEachOther) {
  Graph graph;
  const Value first = graph.read_state({.name = "s", .shape = {}});
  EXPECT_EQ(graph.next_state("s"), first);
  const Value one = graph.constant(1.0f), two = graph.constant(2.0f);
  graph.replace_update("s", one);
  EXPECT_EQ(graph.next_state("s"), one);
  EXPECT_THROW(graph.update_state("s", two), InvalidArgument);
  graph.replace_update("s", two);
  EXPECT_EQ(graph.next_state("s"), two);
  EXPECT_EQ(graph.updates().size(), 1u);
  EXPECT_THROW(graph.next_state("t"), InvalidArgument);
}

}  // namespace
}  // namespace engine
