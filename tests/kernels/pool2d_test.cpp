#include "engine/kernels/pool2d.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "tests/kernels/matrix_support.h"
#include "tests/reference/gradient_check.h"
#include "tests/reference/pool2d.h"
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
  Pool2dOptions options;
};
ENGINE_TEST_CASE_PRINTS_NAME(Case)

const Case kCases[] = {
    {"two_by_two", {2, 6, 8, 16}, {.window = 2}},
    {"two_by_two_odd_sizes", {3, 7, 5, 8}, {.window = 2}},
    {"two_by_two_channels_11", {1, 4, 6, 11}, {.window = 2}},
    {"two_by_two_channels_70", {1, 4, 2, 70}, {.window = 2}},
    {"two_by_two_few_channels", {2, 5, 7, 3}, {.window = 2}},
    {"two_by_two_parallel", {5, 22, 18, 40}, {.window = 2}},
    {"two_by_two_ceil_odd", {1, 5, 7, 8}, {.window = 2, .ceil_mode = true}},
    {"overlapping", {2, 9, 7, 5}, {.window = 3, .stride = 2}},
    {"overlapping_padded", {2, 9, 7, 65}, {.window = 3, .stride = 2, .padding = 1}},
    {"stride_over_window", {2, 9, 8, 4}, {.window = 2, .stride = 3}},
    {"apart_padding_not_counted",
     {2, 9, 8, 20},
     {.window = 2, .padding = 1, .count_include_padding = false}},
    {"not_square", {1, 6, 11, 3}, {.window = {3, 2}, .stride = {1, 2}, .padding = {1, 0}}},
    {"padding_not_counted",
     {1, 6, 7, 3},
     {.window = 3, .stride = 2, .padding = 1, .count_include_padding = false}},
    {"ceil_padded", {1, 8, 6, 3}, {.window = 3, .stride = 2, .padding = 1, .ceil_mode = true}},
    {"whole_image", {3, 5, 4, 6}, {.window = {5, 4}}},
    {"one_by_one", {1, 3, 3, 2}, {.window = 1}},
    {"wide_index", {1, 17, 16, 2}, {.window = 16, .stride = 1}},
    {"wide_index_channels_8", {1, 17, 18, 8}, {.window = 16, .stride = 1, .padding = {1, 0}}},
    {"one_channel", {2, 6, 5, 1}, {.window = 3, .stride = 2, .padding = 1}},
    {"two_by_two_one_channel", {2, 3, 4, 1}, {.window = 2}},
    {"overlapping_channels_264", {1, 5, 4, 264}, {.window = 3, .stride = 2}},
    {"global", {2, 9, 7, 24}, {.window = {9, 7}}},
    {"global_channels_264", {1, 6, 6, 264}, {.window = 6}},
    {"global_three_channels", {2, 8, 6, 3}, {.window = {8, 6}}},
    {"large_overlapping",
     {2, 12, 10, 16},
     {.window = 7, .stride = 2, .padding = 3, .count_include_padding = false}},
    {"large_ceil",
     {1, 11, 10, 8},
     {.window = {6, 7}, .stride = 4, .padding = 2, .ceil_mode = true}},
    {"parallel", {2, 30, 24, 24}, {.window = 3, .stride = 1, .padding = 1}},
};

reference::Pool2d reference_of(const Case& c) {
  const Extent2d stride = c.options.stride == Extent2d(0) ? c.options.window : c.options.stride;
  return {c.x[0],
          c.x[1],
          c.x[2],
          c.x[3],
          c.options.window.h,
          c.options.window.w,
          stride.h,
          stride.w,
          c.options.padding.h,
          c.options.padding.w,
          c.options.ceil_mode,
          c.options.count_include_padding};
}

class Pool2d : public DeviceTest<Case> {};
INSTANTIATE_TEST_SUITE_P(Windows, Pool2d, on_devices(kCases), device_case_name);

class Pool2dReference : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Windows, Pool2dReference, testing::ValuesIn(kCases), case_name);

TEST_P(Pool2d, MaxMatchesReferenceExactly) {
  const Case& c = GetParam();
  const reference::Pool2d pool = reference_of(c);
  for (DType dtype : {DType::f32, DType::bf16}) {
    Graph graph;
    Value x = graph.input("x", c.x, dtype);
    const auto outputs =
        graph.add(std::make_shared<MaxPool2dOp>(Pool2dOptions(c.options)), {x}, "max_pool2d");
    Value y = outputs[0];
    ASSERT_EQ(y.shape(), (Shape{c.x[0], pool.oh(), pool.ow(), c.x[3]}));
    Value dy = graph.input("dy", y.shape(), dtype);
    graph.output("y", y);
    graph.output("argmax", outputs[1]);
    graph.output("dx", gradients_of_node(y, dy)[0]);
    // Many ties in bf16: the first element must win.
    const Tensor x_value = random_tensor(c.x, dtype, 3);
    const Tensor dy_value = random_tensor(y.shape(), dtype, 4);
    const auto got = interpret(graph, {{"x", x_value}, {"dy", dy_value}}, nullptr, device());

    const auto want = pool.max(to_doubles(x_value));
    EXPECT_TRUE(close_to(got[0], want.y, 0.0)) << dtype;
    EXPECT_EQ(got[1].dtype(),
              c.options.window.h * c.options.window.w > 255 ? DType::i32 : DType::u8);
    EXPECT_TRUE(
        close_to(got[1], std::vector<double>(want.position.begin(), want.position.end()), 0.0));
    const auto dx = pool.max_backward(want, to_doubles(dy_value));
    std::vector<double> dys = to_doubles(dy_value);
    for (double& value : dys) value = std::abs(value);
    const auto magnitude = pool.max_backward(want, dys);
    std::vector<double> bound;
    for (std::size_t i = 0; i < dx.size(); ++i) {
      const bool one_window = std::abs(std::abs(dx[i]) - magnitude[i]) == 0;
      bound.push_back(one_window && c.options.stride == Extent2d(0)
                          ? 0.0
                          : error_bound(9, magnitude[i], dx[i], dtype));
    }
    EXPECT_TRUE(close_to(got[2], dx, bound)) << dtype;
  }
}

TEST_P(Pool2d, AverageMatchesReference) {
  const Case& c = GetParam();
  const reference::Pool2d pool = reference_of(c);
  for (DType dtype : {DType::f32, DType::bf16}) {
    Graph graph;
    Value x = graph.input("x", c.x, dtype), y = average_pool2d(x, c.options);
    Value dy = graph.input("dy", y.shape(), dtype);
    graph.output("y", y);
    graph.output("dx", gradients_of_node(y, dy)[0]);
    const Tensor x_value = random_tensor(c.x, dtype, 3);
    const Tensor dy_value = random_tensor(y.shape(), dtype, 4);
    const auto got = interpret(graph, {{"x", x_value}, {"dy", dy_value}}, nullptr, device());
    const auto want = pool.average(to_doubles(x_value));
    const auto dx = pool.average_backward(to_doubles(dy_value));
    const double terms = static_cast<double>(c.options.window.h * c.options.window.w);
    std::vector<double> bound, dx_bound;
    for (double value : want) bound.push_back(error_bound(terms, 1, value, dtype));
    for (double value : dx) dx_bound.push_back(error_bound(terms, terms, value, dtype));
    EXPECT_TRUE(close_to(got[0], want, bound)) << dtype;
    EXPECT_TRUE(close_to(got[1], dx, dx_bound)) << dtype;
  }
}

TEST_P(Pool2dReference, GradientsMatchCentralDifferences) {
  Case c = GetParam();
  c.x = c.x.with(0, 1).with(3, std::min<std::int64_t>(c.x[3], 2));  // images and channels are alike
  const reference::Pool2d pool = reference_of(c);
  const auto x = to_doubles(distinct_tensor(c.x, DType::f32, 1));
  const auto dy = to_doubles(random_tensor({pool.windows()}, DType::f32, 2));
  const auto max_of = [&](const reference::Doubles& values) { return pool.max(values).y; };
  const auto average_of = [&](const reference::Doubles& values) { return pool.average(values); };
  EXPECT_LT(reference::worst_difference(pool.max_backward(pool.max(x), dy),
                                        reference::central_differences(max_of, x, dy)),
            1e-6);
  EXPECT_LT(reference::worst_difference(pool.average_backward(dy),
                                        reference::central_differences(average_of, x, dy)),
            1e-6);
}

TEST_P(Pool2d, WindowsWithNanGiveNan) {
  const Case& c = GetParam();
  const reference::Pool2d pool = reference_of(c);
  for (float nan : {std::nanf(""), -std::nanf("")}) {
    for (DType dtype : {DType::f32, DType::bf16}) {
      std::vector<float> values = random_tensor(c.x, dtype, 3).to_floats();
      for (std::size_t i = 5; i < values.size(); i += 37) values[i] = nan;
      const Tensor x_value = Tensor::from(values, c.x).to(dtype);
      Graph graph;
      Value x = graph.input("x", c.x, dtype);
      graph.output("max", max_pool2d(x, c.options));
      graph.output("average", average_pool2d(x, c.options));
      const auto got = interpret(graph, {{"x", x_value}}, nullptr, device());
      EXPECT_TRUE(close_to(got[0], pool.max(to_doubles(x_value)).y, 0.0)) << dtype;
      const auto average = pool.average(to_doubles(x_value));
      const auto found = got[1].to_floats();
      for (std::size_t i = 0; i < found.size(); ++i) {
        ASSERT_EQ(std::isnan(found[i]), std::isnan(average[i])) << i;
      }
    }
  }
}

TEST(Pool2dLimits, InfinitiesAndZerosOfBothSigns) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (DType dtype : {DType::f32, DType::bf16}) {
    std::vector<float> values;  // [1, 2, 2, 8], channel by channel in the columns below
    const float rows[4][8] = {{-kInfinity, -kInfinity, 0.0f, -0.0f, -1, -3, 1e-40f, 3},
                              {-kInfinity, kInfinity, -0.0f, 0.0f, -1, -2, -1e-40f, 2},
                              {-kInfinity, 1, 0.0f, -1, -2, -1, 0, kInfinity},
                              {-kInfinity, 2, -1, -0.0f, -1, -4, 0, -kInfinity}};
    for (const auto& row : rows) values.insert(values.end(), row, row + 8);
    Graph graph;
    const auto outputs =
        graph.add(std::make_shared<MaxPool2dOp>(Pool2dOptions{.window = 2, .stride = 2}),
                  {graph.input("x", {1, 2, 2, 8}, dtype)});
    graph.output("y", outputs[0]);
    graph.output("argmax", outputs[1]);
    const Tensor x = Tensor::from(values, {1, 2, 2, 8}).to(dtype);
    const double tiny = x.to_floats()[6];
    const std::vector<double> y = {-INFINITY, INFINITY, 0, 0, -1, -1, tiny, INFINITY};
    for (const Device& device : test_devices()) {
      const auto got = interpret(graph, {{"x", x}}, nullptr, device);
      EXPECT_TRUE(close_to(got[0], y, 0.0)) << dtype << device;
      EXPECT_TRUE(close_to(got[1], std::vector<double>{0, 1, 0, 0, 0, 2, 0, 2}, 0.0)) << device;
    }
  }
}

TEST(Pool2dLimits, TakesAnEmptyBatch) {
  Graph graph;
  Value x = graph.input("x", {0, 4, 4, 8});
  graph.output("max", max_pool2d(x));
  graph.output("average", average_pool2d(x));
  Value dy = graph.input("dy", {0, 2, 2, 8});
  graph.output("dx", gradients_of_node(max_pool2d(x), dy)[0]);
  graph.output("average dx", gradients_of_node(average_pool2d(x), dy)[0]);
  const auto zeros = [](const Shape& shape) {
    return Tensor::zeros(shape, DType::f32, Device::cpu());
  };
  for (const Device& device : test_devices()) {
    const auto got =
        interpret(graph, {{"x", zeros(x.shape())}, {"dy", zeros(dy.shape())}}, nullptr, device);
    for (std::size_t i = 0; i < got.size(); ++i) {
      EXPECT_EQ(got[i].shape(), i < 2 ? dy.shape() : x.shape());
    }
  }
}

TEST(Pool2dLimits, NamesWhatDoesNotFit) {
  const auto message = [](const Shape& shape, const Pool2dOptions& options) -> std::string {
    Graph graph;
    try {
      max_pool2d(graph.input("x", shape), options);
    } catch (const InvalidArgument& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_NE(message({1, 4, 4, 1}, {.window = 2, .padding = {2, 0}})
                .find("max_pool2d: padding 2x0 exceeds half of the 2x2 window"),
            std::string::npos);
  EXPECT_NE(message({1, 4, 3, 1}, {.window = 4}).find("the 4x4 window exceeds x [1, 4, 3, 1]"),
            std::string::npos);
  EXPECT_NE(message({4, 4}, {}).find("[4, 4] must be [n, h, w, c]"), std::string::npos);
  EXPECT_NE(message({1, 4, 4, 1}, {.window = {0, 2}}).find("must be positive"), std::string::npos);
  constexpr std::int64_t kHuge = std::int64_t{1} << 62;
  for (const Pool2dOptions& options :
       {Pool2dOptions{.window = kHuge, .padding = kHuge}, {.window = 2, .stride = kHuge}}) {
    const std::string text = message({1, 4, 4, 1}, options);
    EXPECT_NE(text.find("no side may exceed 2147483648"), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace engine
