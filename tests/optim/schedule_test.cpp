#include "engine/optim/schedule.h"

#include <cmath>

#include <gtest/gtest.h>

#include "tests/support/clock.h"
#include "tests/support/compare.h"
#include "tests/support/devices.h"
#include "tests/support/interpret.h"

namespace engine {
namespace {

float rate_at(const Graph& graph, std::int32_t step, const Device& device) {
  const Store store = store_at(1, step);
  return interpret(graph, {}, &store, device)[0].item();
}

TEST(Schedule, CosineRisesAndFalls) {
  Graph graph;
  graph.output("rate",
               cosine_schedule(
                   graph, {.peak = 2, .final_factor = 0.1f, .warmup_steps = 4, .total_steps = 24}));
  const std::pair<std::int32_t, double> points[] = {
      {0, 0.5},  {1, 1.0},  {3, 2.0},  {4, 2.0},         {9, 0.2 + 1.8 * (1 + std::sqrt(0.5)) / 2},
      {14, 1.1}, {24, 0.2}, {25, 0.2}, {1000000000, 0.2}};
  for (const Device& device : test_devices()) {
    for (const auto& [step, want] : points) {
      EXPECT_NEAR(rate_at(graph, step, device), want, 2e-7 * want) << device << " step " << step;
    }
  }
}

TEST(Schedule, LinearRisesAndFalls) {
  Graph graph;
  graph.output("rate", linear_schedule(graph, {.peak = 1, .warmup_steps = 0, .total_steps = 10}));
  const std::pair<std::int32_t, double> points[] = {{0, 1},   {1, 0.9}, {5, 0.5},
                                                    {9, 0.1}, {10, 0},  {11, 0}};
  for (const Device& device : test_devices()) {
    for (const auto& [step, want] : points) {
      EXPECT_NEAR(rate_at(graph, step, device), want, 2e-7 * want) << device << " step " << step;
    }
  }
}

TEST(Schedule, RefusesATotalWithinTheWarmup) {
  Graph graph;
  EXPECT_THROW(cosine_schedule(graph, {.warmup_steps = 5, .total_steps = 5}), InvalidArgument);
  EXPECT_THROW(linear_schedule(graph, {}), InvalidArgument);
}

}  // namespace
}  // namespace engine
