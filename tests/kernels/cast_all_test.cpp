#include "engine/kernels/cast_all.h"

#include <map>

#include <gtest/gtest.h>

#include "engine/core/passes.h"
#include "engine/core/structural_ops.h"
#include "engine/kernels/binary.h"
#include "engine/kernels/compile.h"
#include "engine/kernels/matmul.h"
#include "tests/support/compare.h"
#include "tests/support/devices.h"
#include "tests/support/interpret.h"
#include "tests/support/random_tensor.h"

namespace engine {
namespace {

class CastAll : public testing::TestWithParam<Device> {};
INSTANTIATE_TEST_SUITE_P(Devices, CastAll, testing::ValuesIn(test_devices()), device_name);

int count(const Graph& graph, std::string_view op) {
  int result = 0;
  for (const Node& node : graph.nodes()) result += node.op->name() == op ? 1 : 0;
  return result;
}

// More tensors than one launch takes, empty ones and more than a block's elements among them.
TEST_P(CastAll, GivesTheBitsOfCast) {
  Graph graph;
  std::vector<Value> values;
  std::map<std::string, Tensor> inputs;
  for (int i = 0; i < 53; ++i) {
    const Shape shape{i == 1 ? 5003 : i % 5 == 0 ? 0 : 3 * i + 1};
    const std::string name = join("x", i);
    values.push_back(graph.input(name, shape));
    inputs.emplace(name, random_tensor(shape, DType::f32, static_cast<std::uint64_t>(i)));
  }
  const std::vector<Value> all = cast_all_to_bf16(values);
  for (std::size_t i = 0; i < values.size(); ++i) {
    graph.output(join("all", i), all[i]);
    graph.output(join("one", i), cast(values[i], DType::bf16));
  }
  const auto got = interpret(graph, inputs, nullptr, GetParam());
  for (std::size_t i = 0; i < got.size(); i += 2) EXPECT_TRUE(same_bits(got[i], got[i + 1])) << i;
}

// What the step changes apart from what it only reads.
TEST_P(CastAll, TakesTheCastsOfAStep) {
  Graph graph;
  const auto weight = [&](std::string_view name) {
    return graph.read_state({.name = std::string(name),
                             .shape = {24, 24},
                             .init = init::uniform(-1, 1),
                             .role = StateRole::parameter});
  };
  Value y = graph.input("x", {8, 24});
  for (const char* name : {"a", "b", "c", "frozen1", "frozen2", "frozen3"}) {
    y = matmul(y, weight(name));
  }
  for (const char* name : {"a", "b", "c"}) graph.update_state(name, weight(name) * 0.5f);
  graph.output("y", y);
  const Graph typed = simplify(apply_precision(graph, Precision::bf16));
  EXPECT_EQ(count(typed, "cast"), 8);  // with those of x and y
  const Graph fused = fuse(typed, fusion_rules(), GetParam());
  EXPECT_EQ(count(fused, "cast_all"), GetParam().is_cpu() ? 0 : 2);
  EXPECT_EQ(count(fused, "cast"), 2);
  for (const Node& node : fused.nodes()) {
    if (node.op->name() == "cast_all") {
      EXPECT_EQ(node.inputs.size(), 3u);
    }
  }
}

TEST(CastAllErrors, RefusesOtherTypes) {
  Graph graph;
  EXPECT_THROW(cast_all_to_bf16({graph.input("x", {2}, DType::bf16)}), InvalidArgument);
  EXPECT_THROW(cast_all_to_bf16({}), InvalidArgument);
}

}  // namespace
}  // namespace engine
