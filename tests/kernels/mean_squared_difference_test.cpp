#include "engine/kernels/mean_squared_difference.h"

#include <cmath>

#include <gtest/gtest.h>

#include "engine/core/autodiff.h"
#include "engine/kernels/binary.h"
#include "tests/reference/gradient_check.h"
#include "tests/support/cases.h"
#include "tests/support/compare.h"
#include "tests/support/devices.h"
#include "tests/support/interpret.h"
#include "tests/support/random_tensor.h"

namespace engine {
namespace {

struct Case {
  const char* name;
  Shape shape;
};
ENGINE_TEST_CASE_PRINTS_NAME(Case)

const Case kCases[] = {{"one", {1}},
                       {"scalar", {}},
                       {"odd", {3, 5, 7}},
                       {"block", {4096}},
                       {"block_plus_one", {4097}},
                       {"parallel", {5, 9001}}};

double reference_loss(const std::vector<double>& x, const std::vector<double>& target) {
  double total = 0;
  for (std::size_t i = 0; i < x.size(); ++i) total += (x[i] - target[i]) * (x[i] - target[i]);
  return total / static_cast<double>(x.size());
}

std::vector<double> reference_gradient(const std::vector<double>& x,
                                       const std::vector<double>& target, double dy) {
  std::vector<double> dx;
  for (std::size_t i = 0; i < x.size(); ++i) {
    dx.push_back(dy * 2 * (x[i] - target[i]) / static_cast<double>(x.size()));
  }
  return dx;
}

class MeanSquaredDifference : public DeviceTest<Case> {};
INSTANTIATE_TEST_SUITE_P(Shapes, MeanSquaredDifference, on_devices(kCases), device_case_name);

class MeanSquaredDifferenceLimits : public testing::TestWithParam<Device> {};
INSTANTIATE_TEST_SUITE_P(Devices, MeanSquaredDifferenceLimits, testing::ValuesIn(test_devices()),
                         device_name);

TEST_P(MeanSquaredDifference, ForwardAndBackwardMatchReference) {
  const Shape& shape = GetParam().shape;
  for (DType dtype : {DType::f32, DType::bf16}) {
    Graph graph;
    const Value x = graph.input("x", shape, dtype), target = graph.input("target", shape);
    const Value loss = mean_squared_difference(x, target);
    ASSERT_EQ(loss.type(), (TensorType{Shape{}, DType::f32}));
    graph.output("loss", loss);
    graph.output("dx", gradients(loss * 3.0f, std::vector<Value>{x})[0]);
    const Tensor x_value = random_tensor(shape, dtype, 1);
    const Tensor target_value = random_tensor(shape, DType::f32, 2);
    const auto got =
        interpret(graph, {{"x", x_value}, {"target", target_value}}, nullptr, device());
    const auto xs = to_doubles(x_value), targets = to_doubles(target_value);
    const double want = reference_loss(xs, targets);
    const double terms = std::min<double>(4096, static_cast<double>(xs.size())) + 4;
    EXPECT_TRUE(close_to(got[0], std::vector<double>{want}, error_bound(terms, want, want)));
    const auto dx = reference_gradient(xs, targets, 3);
    std::vector<double> bound;
    for (const double value : dx) {
      bound.push_back(error_bound(4, std::abs(value), value, dtype));
    }
    EXPECT_TRUE(close_to(got[1], dx, bound)) << dtype;
  }
}

TEST(MeanSquaredDifferenceReference, GradientMatchesCentralDifferences) {
  const auto x = to_doubles(random_tensor({17}, DType::f32, 1));
  const auto target = to_doubles(random_tensor({17}, DType::f32, 2));
  const auto loss = [&](const reference::Doubles& values) {
    return reference::Doubles{reference_loss(values, target)};
  };
  EXPECT_LT(reference::worst_difference(reference_gradient(x, target, 1.5),
                                        reference::central_differences(loss, x, {1.5})),
            1e-8);
}

TEST_P(MeanSquaredDifferenceLimits, NanAndNothing) {
  Graph graph;
  graph.output("loss", mean_squared_difference(graph.input("x", {3}), graph.input("t", {3})));
  const Tensor good = Tensor::from(std::vector<float>{1, 2, 3}, {3});
  const Tensor bad = Tensor::from(std::vector<float>{1, NAN, 3}, {3});
  EXPECT_TRUE(
      std::isnan(interpret(graph, {{"x", bad}, {"t", good}}, nullptr, GetParam())[0].item()));
  EXPECT_TRUE(
      std::isnan(interpret(graph, {{"x", good}, {"t", bad}}, nullptr, GetParam())[0].item()));
  EXPECT_EQ(interpret(graph, {{"x", good}, {"t", good}}, nullptr, GetParam())[0].item(), 0);
  Graph empty;
  empty.output("loss", mean_squared_difference(empty.input("x", {0}), empty.input("t", {0})));
  const Tensor none = Tensor::zeros({0}, DType::f32, Device::cpu());
  EXPECT_TRUE(
      std::isnan(interpret(empty, {{"x", none}, {"t", none}}, nullptr, GetParam())[0].item()));
}

TEST(MeanSquaredDifferenceErrors, NamesWhatDoesNotFit) {
  Graph graph;
  try {
    mean_squared_difference(graph.input("x", {3, 4}), graph.input("t", {4, 3}));
    ADD_FAILURE();
  } catch (const InvalidArgument& error) {
    EXPECT_NE(std::string(error.what()).find("target f32[4, 3] for x f32[3, 4]"), std::string::npos)
        << error.what();
  }
  const Value t = graph.input("t2", {2});
  EXPECT_THROW(gradients(mean_squared_difference(graph.input("x2", {2}), t), std::vector{t}),
               InvalidArgument);
}

}  // namespace
}  // namespace engine
