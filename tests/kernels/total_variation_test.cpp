#include "engine/kernels/total_variation.h"

#include <cmath>

#include <gtest/gtest.h>

#include "engine/core/autodiff.h"
#include "engine/kernels/binary.h"
#include "tests/reference/gradient_check.h"
#include "tests/reference/total_variation.h"
#include "tests/support/cases.h"
#include "tests/support/compare.h"
#include "tests/support/devices.h"
#include "tests/support/interpret.h"
#include "tests/support/random_tensor.h"

namespace engine {
namespace {

struct Case {
  const char* name;
  Shape x;
};
ENGINE_TEST_CASE_PRINTS_NAME(Case)

const Case kCases[] = {{"one_pixel", {1, 1, 1, 3}},  {"one_row", {1, 1, 9, 3}},
                       {"one_column", {2, 7, 1, 1}}, {"odd_sizes", {1, 5, 7, 3}},
                       {"batch", {3, 4, 6, 2}},      {"parallel", {1, 130, 121, 3}}};

class TotalVariation : public DeviceTest<Case> {};
INSTANTIATE_TEST_SUITE_P(Shapes, TotalVariation, on_devices(kCases), device_case_name);

class TotalVariationLimits : public testing::TestWithParam<Device> {};
INSTANTIATE_TEST_SUITE_P(Devices, TotalVariationLimits, testing::ValuesIn(test_devices()),
                         device_name);

TEST_P(TotalVariation, ForwardAndBackwardMatchReference) {
  const Shape& shape = GetParam().x;
  const reference::TotalVariation want{shape[0], shape[1], shape[2], shape[3]};
  Graph graph;
  const Value x = graph.input("x", shape), y = total_variation(x);
  graph.output("y", y);
  graph.output("dx", gradients(y * 0.5f, std::vector<Value>{x})[0]);
  const Tensor x_value = random_tensor(shape, DType::f32, 1);
  const auto got = interpret(graph, {{"x", x_value}}, nullptr, device());
  const auto xs = to_doubles(x_value);
  const double y_want = want.forward(xs);
  const double terms = 2 * static_cast<double>(shape[2] * shape[3]) + 3;
  EXPECT_TRUE(close_to(got[0], std::vector<double>{y_want}, error_bound(terms, y_want, y_want)));
  const auto dx = want.backward(xs, 0.5);
  // Four differences of numbers in [-1, 1], times 2 * 0.5.
  std::vector<double> bound;
  for (const double value : dx) bound.push_back(error_bound(8, 8, value));
  EXPECT_TRUE(close_to(got[1], dx, bound));
}

TEST(TotalVariationReference, GradientMatchesCentralDifferences) {
  const reference::TotalVariation variation{2, 3, 4, 2};
  const auto x = to_doubles(random_tensor({2, 3, 4, 2}, DType::f32, 1));
  const auto loss = [&](const reference::Doubles& values) {
    return reference::Doubles{variation.forward(values)};
  };
  EXPECT_LT(reference::worst_difference(variation.backward(x, 1.5),
                                        reference::central_differences(loss, x, {1.5})),
            1e-8);
}

TEST_P(TotalVariationLimits, NanAndErrors) {
  std::vector<float> values(2 * 3 * 3, 1.0f);
  Graph graph;
  graph.output("y", total_variation(graph.input("x", {1, 2, 3, 3})));
  EXPECT_EQ(
      interpret(graph, {{"x", Tensor::from(values, {1, 2, 3, 3})}}, nullptr, GetParam())[0].item(),
      0);
  values.back() = NAN;
  EXPECT_TRUE(std::isnan(
      interpret(graph, {{"x", Tensor::from(values, {1, 2, 3, 3})}}, nullptr, GetParam())[0]
          .item()));
  try {
    total_variation(graph.input("flat", {6, 3}));
    ADD_FAILURE();
  } catch (const InvalidArgument& error) {
    EXPECT_NE(std::string(error.what()).find("x f32[6, 3] must be f32 [n, h, w, c]"),
              std::string::npos);
  }
}

}  // namespace
}  // namespace engine
