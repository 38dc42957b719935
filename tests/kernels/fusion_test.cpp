#include <algorithm>
#include <sstream>

#include <gtest/gtest.h>

#include "engine/core/autodiff.h"
#include "engine/core/passes.h"
#include "engine/core/structural_ops.h"
#include "engine/kernels/binary.h"
#include "engine/kernels/compile.h"
#include "engine/kernels/conv2d.h"
#include "engine/kernels/gram.h"
#include "engine/kernels/matmul.h"
#include "engine/kernels/reduce.h"
#include "engine/kernels/unary.h"
#include "tests/support/compare.h"
#include "tests/support/devices.h"
#include "tests/support/interpret.h"
#include "tests/support/random_tensor.h"

namespace engine {
namespace {

// Names and attributes of the ops that compute, in order.
std::vector<std::string> ops_of(const Graph& graph) {
  std::vector<std::string> ops;
  for (const Node& node : graph.nodes()) {
    if (node.op->effect() == Effect::reads_state || node.op->name() == "input") continue;
    ops.push_back(join(node.op->name(), '(', node.inputs.size(), ") ", node.op->attributes()));
  }
  return ops;
}

using Ops = std::vector<std::string>;
const std::string kGeometry = "stride=1x1 padding=1x1 dilation=1x1 groups=1";

class MatrixFusion : public testing::TestWithParam<Device> {
 protected:
  static Graph fused(const Graph& graph) { return fuse(graph, fusion_rules(), GetParam()); }
  static std::vector<Tensor> values_of(const Graph& graph, const Tensor& x) {
    return interpret(graph, {{"x", x}}, nullptr, GetParam());
  }
  Value parameter(std::string_view name, const Shape& shape) {
    return graph_.read_state({.name = std::string(name),
                              .shape = shape,
                              .init = init::uniform(-1, 1),
                              .role = StateRole::parameter});
  }

  // Fused and unfused outputs agree up to the roundings that fusion saves.
  void expect_same_values(DType dtype) {
    const Graph typed =
        dtype == DType::bf16 ? apply_precision(graph_, Precision::bf16) : simplify(graph_);
    const auto plain = values_of(typed, x_), merged = values_of(fused(typed), x_);
    ASSERT_EQ(plain.size(), merged.size());
    for (std::size_t i = 0; i < plain.size(); ++i) {
      const auto want = to_doubles(plain[i]);
      double largest = 0;
      for (const double value : want) largest = std::max(largest, std::abs(value));
      EXPECT_TRUE(close_to(merged[i], want, 4 * rounding_of(dtype) * largest));
    }
  }

  Graph graph_;
  Tensor x_ = random_tensor({2, 6, 5, 4}, DType::f32, 7);
  Value image_ = graph_.input("x", {2, 6, 5, 4});
};

INSTANTIATE_TEST_SUITE_P(Devices, MatrixFusion, testing::ValuesIn(test_devices()), device_name);

TEST_P(MatrixFusion, Conv2dTakesBiasAndRelu) {
  const Value y = conv2d(image_, parameter("w", {8, 3, 3, 4}), {.padding = 1});
  graph_.output("y", relu(y + parameter("b", {8})));
  EXPECT_EQ(ops_of(fused(graph_)), Ops{"conv2d(3) " + kGeometry + " activation=relu"});
  expect_same_values(DType::f32);
  expect_same_values(DType::bf16);
}

TEST_P(MatrixFusion, Conv2dTakesBiasFromTheLeft) {
  const Value y = conv2d(image_, parameter("w", {8, 3, 3, 4}), {.padding = 1});
  graph_.output("y", parameter("b", {8}) + y);
  EXPECT_EQ(ops_of(fused(graph_)), Ops{"conv2d(3) " + kGeometry});
  expect_same_values(DType::f32);
}

TEST_P(MatrixFusion, Conv2dTakesReluWithoutBias) {
  graph_.output("y", relu(conv2d(image_, parameter("w", {8, 3, 3, 4}), {.padding = 1})));
  EXPECT_EQ(ops_of(fused(graph_)), Ops{"conv2d(2) " + kGeometry + " activation=relu"});
  expect_same_values(DType::f32);
}

TEST_P(MatrixFusion, MatmulTakesBiasAndRelu) {
  const Value x = reshape(image_, {2, 120});
  const Value y = matmul(x, parameter("w", {16, 120}), {.transpose_b = true});
  graph_.output("y", relu(y + parameter("b", {16})));
  EXPECT_EQ(ops_of(fused(graph_)).back(), "matmul(3) transpose_a=0 transpose_b=1 activation=relu");
  expect_same_values(DType::f32);
  expect_same_values(DType::bf16);
}

// An activation that two Gram losses and a layer read: its three gradients become one tensor.
TEST_P(MatrixFusion, GramBackwardAddsToTheOtherGradients) {
  const Value y = image_ * image_;
  const Value loss = sum(gram(y, 0.5f)) + sum(gram(y * y, 0.25f)) + sum(y * y * y);
  graph_.output("dx", gradients(loss, std::vector<Value>{image_})[0]);
  const Ops ops = ops_of(fused(graph_));
  const std::string adds = "gram_backward(3) scale=0.5 adds", apart = "gram_backward(2) scale=0.5";
  EXPECT_EQ(std::count(ops.begin(), ops.end(), adds), GetParam().is_cpu() ? 1 : 0);
  EXPECT_EQ(std::count(ops.begin(), ops.end(), apart), GetParam().is_cpu() ? 0 : 1);
  expect_same_values(DType::f32);
  expect_same_values(DType::bf16);
}

// The kernel's own copy, where what it adds to is still wanted.
TEST_P(MatrixFusion, GramBackwardLeavesWhatItAddsTo) {
  const Value y = image_ * image_;
  const Value loss = sum(gram(y)) + sum(y);
  const std::vector<Value> dy = gradients(loss, std::vector<Value>{y});
  graph_.output("of_y", dy[0]);
  graph_.output("of_sum", gradients(sum(y), std::vector<Value>{y})[0]);
  expect_same_values(DType::f32);
}

// The sum before the bias is wanted by somebody else.
TEST_P(MatrixFusion, LeavesWhatOthersRead) {
  const Value y = conv2d(image_, parameter("w", {8, 3, 3, 4}), {.padding = 1});
  const Value biased = y + parameter("b", {8});
  graph_.output("y", y);
  graph_.output("relu", relu(biased));
  graph_.output("biased", biased);
  EXPECT_EQ(ops_of(fused(graph_)),
            (Ops{"conv2d(2) " + kGeometry, "binary(2) add repeat=b", "unary(1) relu"}));
}

TEST_P(MatrixFusion, LeavesSumsThatAreNoBias) {
  const Value y = conv2d(image_, parameter("w", {8, 3, 3, 4}), {.padding = 1});
  const Value first = y + parameter("rows", {5, 8});  // one per column and channel
  graph_.output("first", first);
  EXPECT_EQ(ops_of(fused(graph_)).size(), 2u);
}

TEST_P(MatrixFusion, LeavesABiasAfterTheRelu) {
  const Value y = relu(conv2d(image_, parameter("w", {8, 3, 3, 4}), {.padding = 1}));
  graph_.output("y", y + parameter("b", {8}));
  EXPECT_EQ(ops_of(fused(graph_)),
            (Ops{"conv2d(2) " + kGeometry + " activation=relu", "binary(2) add repeat=b"}));
  expect_same_values(DType::f32);
}

TEST_P(MatrixFusion, WeightsAreConvertedByTheKernel) {
  const Value w = parameter("w", {8, 3, 3, 4});
  const Value y = conv2d(image_, w, {.padding = 1});
  const Value dx = conv2d_backward_data(y, w, image_.shape(), {.padding = 1});
  graph_.output("y", y);
  graph_.output("z", matmul(reshape(dx, {2, 120}), parameter("v", {120, 3})));
  const Graph typed = simplify(apply_precision(graph_, Precision::bf16));
  int casts = 0;
  for (const std::string& op : ops_of(typed)) casts += op.rfind("cast", 0) == 0 ? 1 : 0;
  int casts_left = 0;
  for (const std::string& op : ops_of(fused(typed))) casts_left += op.rfind("cast", 0) == 0 ? 1 : 0;
  // Of w, which two ops shared, and of v: gone, or made one.
  EXPECT_EQ(casts - casts_left, GetParam().is_cpu() ? 2 : 1);
  const auto plain = values_of(typed, x_), merged = values_of(fused(typed), x_);
  for (std::size_t i = 0; i < plain.size(); ++i) EXPECT_TRUE(same_bits(plain[i], merged[i]));
}

}  // namespace
}  // namespace engine
