#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "engine/layers/conv2d.h"
#include "engine/layers/dropout.h"
#include "engine/layers/linear.h"
#include "tests/support/compare.h"
#include "tests/support/devices.h"
#include "tests/support/interpret.h"
#include "tests/support/random_tensor.h"

namespace engine {
namespace {

float largest(const Tensor& tensor) {
  float result = 0;
  for (const float value : tensor.to_floats()) result = std::max(result, std::fabs(value));
  return result;
}

TEST(Conv2dLayer, DeclaresWeightAndBias) {
  Graph graph;
  const Scope net(graph);
  const Value y =
      conv2d(net / "conv", graph.input("x", {2, 9, 8, 6}),
             {.filters = 4, .kernel = {3, 5}, .stride = 2, .padding = {1, 2}, .groups = 2});
  EXPECT_EQ(y.shape(), Shape({2, 5, 4, 4}));
  ASSERT_EQ(graph.states().size(), 2u);
  EXPECT_EQ(graph.states()[0].name, "conv.weight");
  EXPECT_EQ(graph.states()[0].shape, Shape({4, 3, 5, 3}));
  EXPECT_EQ(graph.states()[0].role, StateRole::parameter);
  EXPECT_EQ(graph.states()[1].name, "conv.bias");
  Store store(Device::cpu());
  store.declare(graph);
  const float bound = 1 / std::sqrt(45.0f);
  EXPECT_LE(largest(store.get("conv.weight")), bound);
  EXPECT_GT(largest(store.get("conv.weight")), 0.9f * bound);
  EXPECT_LE(largest(store.get("conv.bias")), bound);
}

TEST(Conv2dLayer, Errors) {
  Graph graph;
  const Scope net(graph);
  const Value x = graph.input("x", {2, 9, 8, 6});
  EXPECT_THROW(conv2d(net / "a", x, {}), InvalidArgument);
  EXPECT_THROW(conv2d(net / "b", x, {.filters = 4, .groups = 4}), InvalidArgument);
  EXPECT_THROW(conv2d(net / "c", graph.input("flat", {2, 9}), {.filters = 4}), InvalidArgument);
}

TEST(LinearLayer, IsTheProductPlusBias) {
  Graph graph;
  const Scope net(graph);
  graph.output("y", linear(net / "fc", graph.input("x", {3, 5}), {.units = 4}));
  Store store(Device::cpu());
  store.declare(graph);
  const Tensor x = random_tensor({3, 5}, DType::f32, 1);
  const std::vector<double> in = to_doubles(x), w = to_doubles(store.get("fc.weight")),
                            b = to_doubles(store.get("fc.bias"));
  ASSERT_EQ(store.get("fc.weight").shape(), Shape({4, 5}));
  std::vector<double> want, bound;
  for (int row = 0; row < 3; ++row) {
    for (int unit = 0; unit < 4; ++unit) {
      double sum = b[unit], magnitude = std::fabs(b[unit]);
      for (int k = 0; k < 5; ++k) {
        sum += in[row * 5 + k] * w[unit * 5 + k];
        magnitude += std::fabs(in[row * 5 + k] * w[unit * 5 + k]);
      }
      want.push_back(sum);
      bound.push_back(error_bound(6, magnitude, sum));
    }
  }
  for (const Device& device : test_devices()) {
    const Tensor y = interpret(graph, {{"x", x}}, &store, device)[0];
    EXPECT_TRUE(close_to(y, want, bound)) << device;
  }
}

TEST(LinearLayer, WithoutBiasAndErrors) {
  Graph graph;
  const Scope net(graph);
  linear(net / "fc", graph.input("x", {3, 5}), {.units = 4, .bias = false});
  EXPECT_EQ(graph.states().size(), 1u);
  EXPECT_THROW(linear(net / "a", graph.input("cube", {3, 5, 2}), {.units = 4}), InvalidArgument);
  EXPECT_THROW(linear(net / "b", graph.input("y", {3, 5}), {}), InvalidArgument);
}

TEST(Flatten, KeepsTheFirstAxis) {
  Graph graph;
  EXPECT_EQ(flatten(graph.input("x", {3, 4, 5, 2})).shape(), Shape({3, 40}));
  EXPECT_EQ(flatten(graph.input("y", {3})).shape(), Shape({3, 1}));
}

TEST(Scopes, TwinsShareParametersAndOtherShapesThrow) {
  Graph graph;
  const Scope net(graph);
  linear(net / "twin", graph.input("a", {3, 5}), {.units = 4});
  linear(net / "twin", graph.input("b", {7, 5}), {.units = 4});
  EXPECT_EQ(graph.states().size(), 2u);
  EXPECT_EQ(graph.parameters().size(), 2u);
  try {
    linear(net / "twin", graph.input("c", {3, 6}), {.units = 4});
    FAIL() << "did not throw";
  } catch (const InvalidArgument& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("twin.weight"), std::string::npos) << text;
    EXPECT_NE(text.find("[4, 5]"), std::string::npos) << text;
    EXPECT_NE(text.find("[4, 6]"), std::string::npos) << text;
  }
}

TEST(Scopes, AddingALayerChangesNoOtherLayersNumbers) {
  const auto make = [](bool has_extra) {
    Graph graph;
    const Scope net(graph);
    Value x = graph.input("x", {3, 5});
    if (has_extra) x = linear(net / "extra", x, {.units = 5});
    x = linear(net / "kept", x, {.units = 4});
    Store store(Device::cpu(), {.seed = 9});
    store.declare(graph);
    return store.get("kept.weight");
  };
  EXPECT_TRUE(same_bits(make(false), make(true)));
}

TEST(DropoutLayer, IsTheIdentityInInference) {
  Graph graph;
  const Value x = graph.input("x", {4});
  EXPECT_EQ(dropout(Scope(graph, Mode::inference), x), x);
  EXPECT_EQ(dropout(Scope(graph), x, {.rate = 0}), x);
  const Value y = dropout(Scope(graph) / "drop", x, {.rate = 0.5f});
  EXPECT_EQ(y.node().op->name(), "dropout");
  EXPECT_NE(y.node().op->attributes().find("drop.dropout"), std::string::npos);
  EXPECT_THROW(dropout(Scope(graph), x, {.rate = 1}), InvalidArgument);
}

}  // namespace
}  // namespace engine
