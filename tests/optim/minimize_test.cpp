#include "engine/optim/minimize.h"

#include <cmath>

#include <gtest/gtest.h>

#include "engine/core/structural_ops.h"
#include "engine/kernels/binary.h"
#include "engine/kernels/compile.h"
#include "engine/kernels/reduce.h"
#include "engine/kernels/unary.h"
#include "engine/layers/conv2d.h"
#include "engine/layers/history.h"
#include "engine/layers/linear.h"
#include "engine/optim/schedule.h"
#include "tests/support/compare.h"
#include "tests/support/devices.h"
#include "tests/support/random_tensor.h"

namespace engine {
namespace {

// A step of `optimizer` on loss = sum(c p) with p at first 1, 1 and c = 3, 4: the gradient is c.
struct LinearLoss {
  Graph graph;
  Scope net{graph};
  Value p = net.parameter("p", {2}, init::ones());
  Value loss = sum(p * graph.constant(Tensor::from(std::vector<float>{3, 4}, {2})));
};

std::vector<double> after_steps(LinearLoss& model, std::int64_t steps, Store& store) {
  Executable step = compile(model.graph, store);
  step.run(steps);
  return to_doubles(store.get("p").to(Device::cpu()));
}

void expect_near(const std::vector<double>& got, const std::vector<double>& want, double bound) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i], bound) << i;
}

class Minimize : public testing::TestWithParam<Device> {};
INSTANTIATE_TEST_SUITE_P(Devices, Minimize, testing::ValuesIn(test_devices()), device_name);

TEST_P(Minimize, SgdTakesGradientSteps) {
  LinearLoss model;
  minimize(model.net, model.loss, Sgd{.learning_rate = 0.125});
  Store store(GetParam());
  expect_near(after_steps(model, 2, store), {0.25, 0}, 0);
  EXPECT_EQ(store.step(), 2);
}

TEST_P(Minimize, ClippingScalesTheNormToTheLimit) {
  LinearLoss model;
  minimize(model.net, model.loss, Sgd{.learning_rate = 1}, {.clip_norm = 0.5f});
  Store store(GetParam());
  expect_near(after_steps(model, 1, store), {1 - 0.3, 1 - 0.4}, 1e-6);
}

TEST_P(Minimize, ClippingLeavesSmallGradientsAlone) {
  LinearLoss model;
  minimize(model.net, model.loss, Sgd{.learning_rate = 0.125}, {.clip_norm = 5.5f});
  Store store(GetParam());
  expect_near(after_steps(model, 1, store), {1 - 0.375, 0.5}, 0);
}

TEST_P(Minimize, AScheduleIsTheRate) {
  LinearLoss model;
  const Value rate = linear_schedule(model.graph, {.peak = 0.5f, .total_steps = 4});
  minimize(model.net, model.loss, Sgd{.learning_rate = rate});
  Store store(GetParam());
  const double sum = 0.5 * (1 + 0.75 + 0.5 + 0.25);
  expect_near(after_steps(model, 7, store), {1 - 3 * sum, 1 - 4 * sum}, 1e-6);
}

TEST_P(Minimize, AdamTakesStepsOfTheRateUnderAConstantGradient) {
  LinearLoss model;
  minimize(model.net, model.loss, Adam{.learning_rate = 0.01});
  Store store(GetParam());
  expect_near(after_steps(model, 10, store), {0.9, 0.9}, 1e-5);
}

TEST(MinimizeGraph, SlotsAreNamedAfterTheirParameter) {
  LinearLoss adam, momentum;
  minimize(adam.net, adam.loss, Adam{});
  minimize(momentum.net, momentum.loss, Sgd{.momentum = 0.9});
  for (const auto& [graph, names] :
       {std::pair(&adam.graph, std::vector<const char*>{"p.adam_m", "p.adam_v"}),
        std::pair(&momentum.graph, std::vector<const char*>{"p.momentum"})}) {
    for (const char* name : names) {
      const StateSpec* spec = graph->find_state(name);
      ASSERT_NE(spec, nullptr) << name;
      EXPECT_EQ(spec->role, StateRole::slot);
      EXPECT_EQ(spec->shape, Shape({2}));
    }
  }
}

TEST_P(Minimize, RecordsLossAndHealth) {
  LinearLoss model;
  minimize(model.net, model.loss, Sgd{.learning_rate = 0.125});
  Store store(GetParam());
  after_steps(model, 3, store);
  EXPECT_EQ(recorded(store, "loss", 0, 3), (std::vector<float>{7, 3.875f, 0.75f}));
  EXPECT_EQ(recorded(store, "health", 1, 3), (std::vector<float>{25, 25}));
  EXPECT_THROW(recorded(store, "loss", 0, 4), InvalidArgument);
  EXPECT_THROW(recorded(store, "loss", -1, 1), InvalidArgument);
}

TEST_P(Minimize, NanInTheGradientReachesParametersAndHealth) {
  for (const float clip : {0.0f, 1.0f}) {
    LinearLoss model;
    // sqrt(-1): loss and gradient are NaN.
    minimize(model.net, sqrt(model.loss - 8.0f), Sgd{.learning_rate = 1.0}, {.clip_norm = clip});
    Store store(GetParam());
    EXPECT_TRUE(std::isnan(after_steps(model, 1, store)[0]));
    EXPECT_TRUE(std::isnan(recorded(store, "loss", 0, 1)[0]));
    EXPECT_TRUE(std::isnan(recorded(store, "health", 0, 1)[0]));
  }
}

TEST(MinimizeGraph, RefusesAGraphWithoutParametersAndValuesThatAreNone) {
  Graph graph;
  const Scope net(graph);
  const Value x = graph.input("x", {});
  EXPECT_THROW(minimize(net, x, Sgd{}), InvalidArgument);
  EXPECT_THROW(minimize(net, square(x), Sgd{}, {.parameters = {x}}), InvalidArgument);
}

TEST(MinimizeGraph, RefusesNumbersThatNoStepCouldUse) {
  for (const Optimizer& optimizer :
       {Optimizer(Sgd{.learning_rate = -1}), Optimizer(Sgd{.learning_rate = NAN}),
        Optimizer(Sgd{.weight_decay = -1e-4}), Optimizer(Sgd{.momentum = 1}),
        Optimizer(Adam{.weight_decay = NAN}), Optimizer(Lbfgs{.learning_rate = INFINITY})}) {
    LinearLoss model;
    const std::size_t nodes = model.graph.nodes().size();
    EXPECT_THROW(minimize(model.net, model.loss, optimizer), InvalidArgument);
    EXPECT_EQ(model.graph.nodes().size(), nodes);
  }
}

TEST(MinimizeGraph, TakesOneTrainingStepAGraph) {
  LinearLoss model;
  minimize(model.net, model.loss, Sgd{});
  try {
    minimize(model.net / "again", model.loss, Sgd{});
    ADD_FAILURE() << "accepted";
  } catch (const InvalidArgument& error) {
    EXPECT_NE(std::string(error.what()).find("has a training step already"), std::string::npos)
        << error.what();
  }
}

TEST_P(Minimize, FrozenParametersGetNoGradientsAndStay) {
  Graph graph;
  const Scope net(graph);
  const Value image = net.parameter("image", {1, 8, 8, 3}, init::uniform(0, 1));
  const Value y = conv2d(net / "features", image, {.filters = 4, .padding = 1});
  minimize(net, mean(square(y)), Adam{.learning_rate = 0.1}, {.parameters = {image}});
  for (const Node& node : graph.nodes()) EXPECT_NE(node.op->name(), "conv2d_backward_weights");
  Store store(GetParam());
  Executable step = compile(graph, store);
  const Tensor weight = store.get("features.weight").clone(), before = store.get("image").clone();
  step.run(3);
  EXPECT_TRUE(same_bits(weight, store.get("features.weight")));
  EXPECT_FALSE(same_bits(before, store.get("image")));
  EXPECT_EQ(store.find("features.weight.adam_m"), nullptr);
}

// Two classes that no line separates: the corners of a square.
struct Corners {
  Graph graph;
  Scope net{graph};
  Corners() {
    const Value x = graph.input("x", {4, 2}), t = graph.input("t", {4, 1});
    const Value h = tanh(linear(net / "hidden", x, {.units = 16}));
    const Value loss = mean(square(linear(net / "out", h, {.units = 1}) - t));
    minimize(net, loss, Adam{.learning_rate = 0.1});
  }
  Store train(Device device, std::int64_t steps, Precision precision, std::uint64_t seed) {
    Store store(device, {.seed = seed});
    Executable step = compile(graph, store, {.precision = precision});
    step.set_input("x", Tensor::from(std::vector<float>{-1, -1, -1, 1, 1, -1, 1, 1}, {4, 2}));
    step.set_input("t", Tensor::from(std::vector<float>{-1, 1, 1, -1}, {4, 1}));
    step.run(steps);
    return store;
  }
};

TEST(Training, ASmallNetLearns) {
  for (const Device& device : test_devices()) {
    for (const Precision precision : {Precision::f32, Precision::automatic}) {
      Corners model;
      const Store store = model.train(device, 40, precision, 1);
      EXPECT_GT(recorded(store, "loss", 0, 1)[0], 0.5f);
      EXPECT_LT(recorded(store, "loss", 39, 40)[0], 0.02f) << device << name_of(precision);
    }
  }
}

TEST(Training, TheSameSeedGivesTheSameBits) {
  for (const Device& device : test_devices()) {
    Corners model, again, other;
    const Store a = model.train(device, 8, Precision::automatic, 5);
    const Store b = again.train(device, 8, Precision::automatic, 5);
    const Store c = other.train(device, 8, Precision::automatic, 6);
    ASSERT_EQ(a.entries().size(), b.entries().size());
    for (const Store::Entry& entry : a.entries()) {
      EXPECT_TRUE(same_bits(entry.tensor, b.get(entry.name))) << entry.name;
    }
    EXPECT_FALSE(same_bits(a.get("hidden.weight"), c.get("hidden.weight")));
  }
}

}  // namespace
}  // namespace engine
