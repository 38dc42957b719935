#include <cmath>

#include <gtest/gtest.h>

#include "engine/core/structural_ops.h"
#include "engine/kernels/binary.h"
#include "engine/kernels/compile.h"
#include "engine/kernels/reduce.h"
#include "engine/layers/normalization.h"
#include "tests/support/compare.h"
#include "tests/support/devices.h"
#include "tests/support/random_tensor.h"

namespace engine {
namespace {

struct Moments {
  std::vector<double> mean, variance;  // unbiased
};

Moments moments_of(const Tensor& x) {
  const std::int64_t c = x.shape()[-1], n = x.elements() / c;
  const std::vector<double> values = to_doubles(x);
  Moments moments{std::vector<double>(c), std::vector<double>(c)};
  for (std::int64_t i = 0; i < n * c; ++i) moments.mean[i % c] += values[i] / n;
  for (std::int64_t i = 0; i < n * c; ++i) {
    const double d = values[i] - moments.mean[i % c];
    moments.variance[i % c] += d * d / (n - 1);
  }
  return moments;
}

class BatchNormLayer : public testing::TestWithParam<Device> {};
INSTANTIATE_TEST_SUITE_P(Devices, BatchNormLayer, testing::ValuesIn(test_devices()), device_name);

TEST_P(BatchNormLayer, TrainingMovesTheStatisticsAndInferenceUsesThem) {
  const Tensor x = random_tensor({3, 4, 5, 2}, DType::f32, 1, {0, 3});
  const Moments batch = moments_of(x);
  Store store(GetParam());
  Graph train;
  const Scope net(train);
  train.output("y", batch_norm(net / "bn", train.input("x", x.shape()), {.momentum = 0.25f}));
  EXPECT_EQ(train.find_state("bn.running_mean")->role, StateRole::statistic);
  EXPECT_EQ(train.find_state("bn.weight")->role, StateRole::parameter);
  Executable step = compile(train, store);
  step.set_input("x", x);
  step.run(2);
  std::vector<double> mean, variance;
  for (int c = 0; c < 2; ++c) {
    mean.push_back((1 - 0.75 * 0.75) * batch.mean[c]);
    variance.push_back(0.75 * 0.75 + (1 - 0.75 * 0.75) * batch.variance[c]);
  }
  EXPECT_TRUE(close_to(store.get("bn.running_mean").to(Device::cpu()), mean, 1e-5));
  EXPECT_TRUE(close_to(store.get("bn.running_var").to(Device::cpu()), variance, 1e-5));

  Graph infer;
  const Scope frozen(infer, Mode::inference);
  infer.output("y", batch_norm(frozen / "bn", infer.input("x", x.shape())));
  EXPECT_TRUE(infer.updates().empty());
  Executable predict = compile(infer, store);
  predict.set_input("x", x);
  predict.run();
  std::vector<double> want = to_doubles(x);
  for (std::size_t i = 0; i < want.size(); ++i) {
    want[i] = (want[i] - mean[i % 2]) / std::sqrt(variance[i % 2] + 1e-5);
  }
  EXPECT_TRUE(close_to(predict.output("y").to(Device::cpu()), want, 1e-4));
}

// Twin towers: the statistics see both batches, one after the other.
TEST_P(BatchNormLayer, AScopeUsedTwiceUpdatesItsStatisticsTwice) {
  const Tensor a = random_tensor({8, 3}, DType::f32, 1), b = random_tensor({8, 3}, DType::f32, 2);
  Graph graph;
  const Scope net(graph);
  graph.output("a", batch_norm(net / "bn", graph.input("a", a.shape())));
  graph.output("b", batch_norm(net / "bn", graph.input("b", b.shape())));
  Store store(GetParam());
  Executable step = compile(graph, store);
  step.set_input("a", a);
  step.set_input("b", b);
  step.run();
  const Moments first = moments_of(a), second = moments_of(b);
  std::vector<double> mean, variance;
  for (int c = 0; c < 3; ++c) {
    mean.push_back(0.9 * 0.1 * first.mean[c] + 0.1 * second.mean[c]);
    variance.push_back(0.81 + 0.9 * 0.1 * first.variance[c] + 0.1 * second.variance[c]);
  }
  EXPECT_TRUE(close_to(store.get("bn.running_mean").to(Device::cpu()), mean, 1e-6));
  EXPECT_TRUE(close_to(store.get("bn.running_var").to(Device::cpu()), variance, 1e-6));
}

TEST(BatchNormLayerErrors, OneValuePerChannelHasNoVariance) {
  Graph graph;
  EXPECT_THROW(batch_norm(Scope(graph) / "bn", graph.input("x", {1, 4})), InvalidArgument);
  EXPECT_THROW(batch_norm(Scope(graph) / "bn", graph.input("v", {4})), InvalidArgument);
}

}  // namespace
}  // namespace engine
