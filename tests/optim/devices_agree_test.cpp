// A few steps of training on another device follow those on the CPU.
#include <cmath>

#include <gtest/gtest.h>

#include "engine/core/structural_ops.h"
#include "engine/kernels/compile.h"
#include "engine/kernels/losses.h"
#include "engine/kernels/pool2d.h"
#include "engine/kernels/reduce.h"
#include "engine/kernels/unary.h"
#include "engine/layers/conv2d.h"
#include "engine/layers/history.h"
#include "engine/layers/linear.h"
#include "engine/layers/normalization.h"
#include "engine/optim/minimize.h"
#include "tests/support/compare.h"
#include "tests/support/devices.h"
#include "tests/support/random_tensor.h"

namespace engine {
namespace {

constexpr std::int64_t kBatch = 6, kSteps = 5;

// Convolution, batch norm, pooling, a product, a loss and momentum: nothing that amplifies the
// rounding of a gradient, as the first steps of Adam do.
struct Classifier {
  Graph graph;
  Classifier() {
    const Scope net(graph);
    Value x = graph.input("images", {kBatch, 8, 6, 3});
    x = conv2d(net / "conv", x, {.filters = 8, .padding = 1, .bias = false});
    x = relu(batch_norm(net / "norm", x));
    x = max_pool2d(x, {.window = 2});
    const Value logits = linear(net / "out", flatten(x), {.units = 4});
    const Value labels = graph.input("labels", {kBatch}, DType::i32);
    minimize(net, mean(softmax_cross_entropy(logits, labels)),
             Sgd{.learning_rate = 0.05f, .momentum = 0.9});
  }
  Store train(const Device& device, Precision precision) const {
    Store store(device, {.seed = 3});
    Executable step = compile(graph, store, {.precision = precision});
    step.set_input("images", random_tensor({kBatch, 8, 6, 3}, DType::f32, 1));
    step.set_input("labels", random_tensor({kBatch}, DType::i32, 2, {0, 4}));
    step.run(kSteps);
    return store;
  }
};

// Largest difference of an element, relative to the tensor's largest.
double relative_difference(const Tensor& got, const Tensor& want) {
  const std::vector<double> a = to_doubles(got.to(Device::cpu())), b = to_doubles(want);
  double largest = 0, difference = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    largest = std::max(largest, std::abs(b[i]));
    const double error = std::abs(a[i] - b[i]);
    difference = error <= difference ? difference : error;  // NaN stays
  }
  return difference / std::max(largest, 1e-30);
}

class DevicesAgree : public testing::TestWithParam<Device> {};
INSTANTIATE_TEST_SUITE_P(Devices, DevicesAgree, testing::ValuesIn(test_devices()), device_name);

TEST_P(DevicesAgree, OnEveryEntryAfterAFewSteps) {
  const Classifier model;
  for (const Precision precision : {Precision::f32, Precision::bf16}) {
    const Store got = model.train(GetParam(), precision);
    const Store want = model.train(Device::cpu(), precision);
    // Some hundred roundings lie between the two in f32; in bf16 one may fall to either side.
    const double bound = precision == Precision::f32 ? 5e-6 : 0.01;
    for (const Store::Entry& entry : want.entries()) {
      if (entry.tensor.dtype() != DType::f32) continue;
      EXPECT_LE(relative_difference(got.get(entry.name), entry.tensor), bound)
          << entry.name << ' ' << name_of(precision);
    }
    const auto losses = recorded(want, "loss", 0, kSteps);
    EXPECT_LT(losses.back(), 0.8f * losses.front());
  }
}

}  // namespace
}  // namespace engine
