#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "engine/core/autodiff.h"
#include "engine/core/passes.h"
#include "engine/kernels/binary.h"
#include "engine/kernels/compile.h"
#include "engine/kernels/conv2d.h"
#include "engine/kernels/pool2d.h"
#include "engine/kernels/reduce.h"
#include "engine/kernels/unary.h"
#include "tests/support/compare.h"
#include "tests/support/devices.h"
#include "tests/support/interpret.h"
#include "tests/support/random_tensor.h"

namespace engine {
namespace {

using Ops = std::vector<std::string>;

Ops ops_of(const Graph& graph) {
  Ops ops;
  const Graph ordered = order(graph);
  for (const Node& node : ordered.nodes()) {
    const std::string name(node.op->name());
    if (name == "input" || name == "constant" || name == "read_state") continue;
    ops.push_back(name.starts_with("conv2d") ? name : join(name, ' ', node.op->attributes()));
  }
  std::sort(ops.begin(), ops.end());
  return ops;
}

const std::string kTwo = "window=2x2 stride=2x2 padding=0x0";

// relu and a pooling over `x + bias`, with the gradients of x and the bias.
Graph pooled_graph(const Shape& shape, DType dtype, const Pool2dOptions& options) {
  Graph graph;
  Value x = graph.input("x", shape, dtype), bias = graph.input("bias", {shape[3]});
  Value y = max_pool2d(relu(x + bias), options);
  Value dy = graph.input("dy", y.shape(), dtype);
  const auto grads = gradients(sum(y * dy), std::vector<Value>{x, bias});
  graph.output("y", y);
  graph.output("dx", grads[0]);
  graph.output("dbias", grads[1]);
  return graph;
}

class PoolFusion : public testing::TestWithParam<Device> {
 protected:
  using Inputs = std::map<std::string, Tensor>;
  static Graph fused(const Graph& graph) { return fuse(graph, fusion_rules(), GetParam()); }
  static std::vector<Tensor> values_of(const Graph& graph, const Inputs& inputs) {
    return interpret(graph, inputs, nullptr, GetParam());
  }
};
INSTANTIATE_TEST_SUITE_P(Devices, PoolFusion, testing::ValuesIn(test_devices()), device_name);

TEST_P(PoolFusion, TrainingReadsAndWritesTheLargeTensorOnce) {
  const Graph graph = pooled_graph({2, 4, 6, 8}, DType::f32, {.window = 2});
  EXPECT_EQ(ops_of(simplify(graph)),
            (Ops{"binary add repeat=b", "binary multiply", "max_pool2d " + kTwo,
                 "max_pool2d_backward x=[2, 4, 6, 8] " + kTwo, "reduce sum axes=0..3", "unary relu",
                 "unary_backward relu"}));
  EXPECT_EQ(
      ops_of(fused(graph)),
      (Ops{"binary add repeat=b", "binary multiply", "max_pool2d " + kTwo + " activation=relu",
           "max_pool2d_backward x=[2, 4, 6, 8] " + kTwo, "max_pool2d_backward_sum "}));
}

TEST_P(PoolFusion, FusedEqualsUnfused) {
  const Pool2dOptions kinds[] = {{.window = 2},
                                 {.window = 3, .stride = 2, .padding = 1},
                                 {.window = 2, .stride = 3},
                                 {.window = 16, .stride = 4}};
  for (const Pool2dOptions& options : kinds) {
    for (DType dtype : {DType::f32, DType::bf16}) {
      const Shape shape{1, 18, 17, 11};
      const Graph graph = pooled_graph(shape, dtype, options);
      std::vector<float> values = random_tensor(shape, dtype, 1, {-1, 0.3f}).to_floats();
      values[100] = std::nanf("");
      const std::map<std::string, Tensor> inputs = {
          {"x", Tensor::from(values, shape).to(dtype)},
          {"bias", random_tensor({11}, DType::f32, 2, {-0.1f, 0.1f})},
          {"dy", random_tensor(graph.outputs()[0].second.shape(), dtype, 3)}};
      const auto want = values_of(graph, inputs), got = values_of(fused(graph), inputs);
      EXPECT_TRUE(close_to(got[0], to_doubles(want[0]), 0.0)) << options.window << dtype;
      EXPECT_TRUE(close_to(got[1], to_doubles(want[1]), 0.0)) << options.window << dtype;
      // Sums of the same numbers in another order; in bf16, before dx was rounded.
      const auto dx = to_doubles(want[1]);
      std::vector<double> bound(11);
      for (std::size_t i = 0; i < dx.size(); ++i) {
        bound[i % 11] += std::abs(dx[i]) * (dtype == DType::bf16 ? 0x1p-7 : 1000 * 0x1p-24);
      }
      EXPECT_TRUE(close_to(got[2], to_doubles(want[2]), bound)) << options.window << dtype;
    }
  }
}

TEST_P(PoolFusion, KeepsNan) {
  for (DType dtype : {DType::f32, DType::bf16}) {
    Graph graph;
    graph.output("y", max_pool2d(relu(graph.input("x", {1, 2, 2, 40}, dtype))));
    std::vector<float> values(160, -1.0f);
    values[41] = std::nanf("");
    values[3] = -std::nanf("");
    const auto y =
        values_of(fused(graph), {{"x", Tensor::from(values, {1, 2, 2, 40}).to(dtype)}})[0]
            .to_floats();
    for (std::size_t i = 0; i < 40; ++i) EXPECT_EQ(std::isnan(y[i]), i == 1 || i == 3) << i;
  }
}

TEST_P(PoolFusion, ConvolutionKeepsItsBiasAndThePoolTakesTheRelu) {
  Graph graph;
  Value x = graph.input("x", {2, 8, 8, 3}), w = graph.input("w", {8, 3, 3, 3});
  Value bias = graph.input("bias", {8});
  Value y = max_pool2d(relu(conv2d(x, w, {.padding = 1}) + bias));
  graph.output("loss", sum(y));
  EXPECT_EQ(ops_of(fused(graph)),
            (Ops{"conv2d", "max_pool2d " + kTwo + " activation=relu without_argmax",
                 "reduce sum axes=0..4"}));
  const auto grads = gradients(sum(y), std::vector<Value>{w, bias});
  graph.output("dw", grads[0]);
  graph.output("dbias", grads[1]);
  EXPECT_EQ(ops_of(fused(graph)),
            (Ops{"conv2d", "conv2d_backward_weights", "max_pool2d " + kTwo + " activation=relu",
                 "max_pool2d_backward x=[2, 8, 8, 8] " + kTwo, "max_pool2d_backward_sum ",
                 "reduce sum axes=0..4"}));
}

// Somebody else needs relu(x), or the gradient before it.
TEST_P(PoolFusion, LeavesWhatOthersRead) {
  Graph graph;
  Value x = graph.input("x", {1, 4, 4, 8});
  Value r = relu(x), y = max_pool2d(r);
  graph.output("y", y);
  graph.output("r", r);
  EXPECT_EQ(ops_of(fused(graph)), (Ops{"max_pool2d " + kTwo + " without_argmax", "unary relu"}));

  Graph second;
  Value z = second.input("x", {1, 4, 4, 8});
  Value rz = relu(z), pooled = max_pool2d(rz);
  const auto grads = gradients(sum(pooled), std::vector<Value>{rz, z});
  second.output("dr", grads[0]);
  second.output("dz", grads[1]);
  const Tensor negative = random_tensor({1, 4, 4, 8}, DType::f32, 1, {-2, -1});
  const auto got = values_of(fused(second), {{"x", negative}});
  double total = 0;
  for (double value : to_doubles(got[0])) total += value;
  EXPECT_EQ(total, 32) << "every window sends its gradient somewhere before the relu";
  EXPECT_TRUE(close_to(got[1], std::vector<double>(128, 0.0), 0.0));
}

}  // namespace
}  // namespace engine
