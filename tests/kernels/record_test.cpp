#include "engine/kernels/record.h"

#include <gtest/gtest.h>

#include "tests/support/clock.h"
#include "tests/support/compare.h"
#include "tests/support/devices.h"
#include "tests/support/interpret.h"

namespace engine {
namespace {

TEST(RecordInRing, WritesAtTheStepAndKeepsTheRest) {
  Graph graph;
  graph.output("next",
               record_in_ring(graph.input("ring", {3}), graph.input("value", {}), graph.clock()));
  const Tensor ring = Tensor::from(std::vector<float>{1, 2, 3}, {3});
  const std::pair<std::int32_t, std::vector<double>> cases[] = {
      {0, {9, 2, 3}}, {1, {1, 9, 3}}, {2, {1, 2, 9}}, {3, {9, 2, 3}}, {1000, {1, 9, 3}}};
  for (const Device& device : test_devices()) {
    for (const auto& [step, want] : cases) {
      const Store store = store_at(1, step);
      const Tensor next =
          interpret(graph, {{"ring", ring}, {"value", Tensor::scalar(9)}}, &store, device)[0];
      EXPECT_TRUE(close_to(next, want, 0.0)) << device << " step " << step;
    }
  }
}

TEST(RecordInRing, RefusesOtherTypes) {
  Graph graph;
  EXPECT_THROW(record_in_ring(graph.input("ring", {3}), graph.input("two", {2}), graph.clock()),
               InvalidArgument);
  EXPECT_THROW(record_in_ring(graph.input("none", {0}), graph.input("one", {}), graph.clock()),
               InvalidArgument);
}

}  // namespace
}  // namespace engine
