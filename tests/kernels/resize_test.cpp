#include "engine/kernels/resize.h"

#include <cmath>

#include <gtest/gtest.h>

#include "engine/core/autodiff.h"
#include "engine/kernels/binary.h"
#include "engine/kernels/reduce.h"
#include "tests/reference/gradient_check.h"
#include "tests/reference/resize.h"
#include "tests/support/cases.h"
#include "tests/support/compare.h"
#include "tests/support/devices.h"
#include "tests/support/interpret.h"
#include "tests/support/random_tensor.h"

namespace engine {
namespace {

struct Case {
  const char* name;
  std::int64_t h, w, oh, ow, c;
};
ENGINE_TEST_CASE_PRINTS_NAME(Case)

const Case kCases[] = {{"same", 5, 4, 5, 4, 3},
                       {"half", 8, 6, 4, 3, 3},
                       {"double", 4, 3, 8, 6, 2},
                       {"odd_reduction", 13, 11, 5, 4, 3},
                       {"odd_enlargement", 5, 4, 13, 11, 1},
                       {"mixed", 9, 5, 4, 12, 3},
                       {"to_one", 7, 6, 1, 1, 3},
                       {"from_one", 1, 1, 5, 3, 2},
                       {"four_channels", 6, 5, 9, 3, 4},
                       {"much", 50, 64, 3, 5, 3},
                       {"parallel", 120, 100, 75, 60, 3}};

class Resize : public DeviceTest<Case> {};
INSTANTIATE_TEST_SUITE_P(Sizes, Resize, on_devices(kCases), device_case_name);

class ResizeLimits : public testing::TestWithParam<Device> {};
INSTANTIATE_TEST_SUITE_P(Devices, ResizeLimits, testing::ValuesIn(test_devices()), device_name);

TEST_P(Resize, ForwardAndBackwardMatchReference) {
  const Case& c = GetParam();
  for (ResizeFilter filter : {ResizeFilter::bilinear, ResizeFilter::area}) {
    const reference::Resize want{c.h, c.w, c.c, c.oh, c.ow, filter == ResizeFilter::area};
    Graph graph;
    const Value x = graph.input("x", {1, c.h, c.w, c.c});
    const Value y = resize(x, {.height = c.oh, .width = c.ow, .filter = filter});
    const Value dy = graph.input("dy", {1, c.oh, c.ow, c.c});
    graph.output("y", y);
    graph.output("dx", gradients(sum(y * dy), std::vector<Value>{x})[0]);
    const Tensor x_value = random_tensor(x.shape(), DType::f32, 1);
    const Tensor dy_value = random_tensor(dy.shape(), DType::f32, 2);
    const auto got = interpret(graph, {{"x", x_value}, {"dy", dy_value}}, nullptr, device());
    // Weights sum to 1 forward; backward an input pixel's weights sum to the enlargement, at most
    // (plus what the edges give it).
    const double reach = 2 * std::ceil(std::max(1.0 * c.h / c.oh, 1.0)) +
                         2 * std::ceil(std::max(1.0 * c.w / c.ow, 1.0)) + 6;
    const auto y_want = want.forward(to_doubles(x_value));
    std::vector<double> y_bound, dx_bound;
    for (const double value : y_want) y_bound.push_back(error_bound(reach, 1, value));
    EXPECT_TRUE(close_to(got[0], y_want, y_bound)) << static_cast<int>(filter);
    const auto dx_want = want.backward(to_doubles(dy_value));
    const auto dx_size =
        want.backward(std::vector<double>(static_cast<std::size_t>(c.oh * c.ow * c.c), 1.0));
    const double outputs =
        3 * std::max(1.0 * c.oh / c.h, 1.0) + 3 * std::max(1.0 * c.ow / c.w, 1.0);
    for (std::size_t i = 0; i < dx_want.size(); ++i) {
      dx_bound.push_back(error_bound(outputs + 6, dx_size[i], dx_want[i]));
    }
    EXPECT_TRUE(close_to(got[1], dx_want, dx_bound)) << static_cast<int>(filter);
  }
}

TEST(ResizeReference, GradientMatchesCentralDifferences) {
  for (const bool is_area : {false, true}) {
    const reference::Resize resize{5, 3, 2, 3, 4, is_area};
    const auto x = to_doubles(random_tensor({1, 5, 3, 2}, DType::f32, 1));
    const auto dy = to_doubles(random_tensor({1, 3, 4, 2}, DType::f32, 2));
    EXPECT_LT(
        reference::worst_difference(
            resize.backward(dy),
            reference::central_differences(
                [&](const reference::Doubles& values) { return resize.forward(values); }, x, dy)),
        1e-8);
  }
}

TEST_P(ResizeLimits, ConstantImagesStayConstantAndBatchesApart) {
  Graph graph;
  const Value x = graph.input("x", {2, 7, 9, 3});
  graph.output("y", resize(x, {.height = 4, .width = 13}));
  std::vector<float> values(2 * 7 * 9 * 3, 3.0f);
  std::fill(values.begin() + 7 * 9 * 3, values.end(), -5.0f);
  const auto got =
      interpret(graph, {{"x", Tensor::from(values, x.shape())}}, nullptr, GetParam())[0]
          .to_floats();
  for (std::size_t i = 0; i < got.size(); ++i) {
    ASSERT_NEAR(got[i], i < got.size() / 2 ? 3.0f : -5.0f, 2e-6f) << i;
  }
}

TEST_P(ResizeLimits, NanAndErrors) {
  Graph graph;
  graph.output("y", resize(graph.input("x", {1, 4, 4, 1}), {.height = 2, .width = 2}));
  std::vector<float> values(16, 1.0f);
  values[0] = NAN;
  const auto got =
      interpret(graph, {{"x", Tensor::from(values, {1, 4, 4, 1})}}, nullptr, GetParam())[0]
          .to_floats();
  EXPECT_TRUE(std::isnan(got[0]));
  EXPECT_FALSE(std::isnan(got[3]));
  EXPECT_THROW(resize(graph.input("flat", {4, 4}), {.height = 2, .width = 2}), InvalidArgument);
  try {
    resize(graph.input("image", {1, 4, 4, 1}), {.height = 0, .width = 2});
    ADD_FAILURE();
  } catch (const InvalidArgument& error) {
    EXPECT_NE(std::string(error.what()).find("to 0 x 2"), std::string::npos);
  }
}

}  // namespace
}  // namespace engine
