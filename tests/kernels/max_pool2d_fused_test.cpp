// The forms of max_pool2d that fusion makes, each against the double reference.
#include <cmath>

#include <gtest/gtest.h>

#include "engine/kernels/pool2d.h"
#include "tests/reference/pool2d.h"
#include "tests/support/cases.h"
#include "tests/support/compare.h"
#include "tests/support/devices.h"
#include "tests/support/interpret.h"
#include "tests/support/random_tensor.h"

namespace engine {
namespace {

struct ReluCase {
  const char* name;
  Shape x;
  Pool2dOptions options;
};
ENGINE_TEST_CASE_PRINTS_NAME(ReluCase)

const ReluCase kReluCases[] = {
    {"two_by_two", {2, 6, 8, 16}, {.window = 2, .stride = 2}},
    {"two_by_two_odd", {2, 7, 5, 11}, {.window = 2, .stride = 2}},
    {"overlapping", {2, 9, 7, 16}, {.window = 3, .stride = 2, .padding = 1}},
    {"overlapping_odd", {1, 9, 7, 5}, {.window = 3, .stride = 2, .padding = 1}},
    {"wide_index", {1, 17, 18, 8}, {.window = 16, .stride = 1}},
};

class MaxPool2dRelu : public DeviceTest<ReluCase> {
 protected:
  // Most windows of 2x2 are dead, some by a 0; a NaN lives, and wins over the relu.
  static Tensor x_of(DType dtype) {
    const Shape& shape = GetParam().x;
    std::vector<float> values = random_tensor(shape, dtype, 1, {-1, 0.2f}).to_floats();
    for (float& value : values) value = value > 0.1f ? 0.1f : value > 0 ? 0 : value;
    values[7] = std::nanf("");
    return Tensor::from(values, shape).to(dtype);
  }
};

TEST_P(MaxPool2dRelu, MatchesReferenceExactly) {
  const auto& [name, shape, options] = GetParam();
  const reference::Pool2d pool{
      shape[0],         shape[1],         shape[2],         shape[3],          options.window.h,
      options.window.w, options.stride.h, options.stride.w, options.padding.h, options.padding.w};
  const double none = options.window.h > 15 ? -1 : 255;
  for (DType dtype : {DType::f32, DType::bf16}) {
    const Tensor x = x_of(dtype);
    auto want = pool.max(to_doubles(x));
    std::vector<double> position(want.position.begin(), want.position.end());
    for (std::size_t i = 0; i < want.y.size(); ++i) {
      if (!(want.y[i] <= 0)) continue;
      want.y[i] = 0;
      want.source[i] = -1;
      position[i] = none;
    }
    Graph graph;
    const Value given = graph.input("x", shape, dtype);
    const auto outputs = graph.add(
        std::make_shared<MaxPool2dOp>(options, MaxPool2dOp::Extras{.activation = Activation::relu}),
        {given});
    const Value dy = graph.input("dy", outputs[0].shape(), dtype);
    graph.output("y", outputs[0]);
    graph.output("argmax", outputs[1]);
    graph.output(
        "dx", graph.add1(std::make_shared<MaxPool2dBackwardOp>(options, shape), {dy, outputs[1]}));
    graph.output("y alone",
                 graph.add1(std::make_shared<MaxPool2dOp>(
                                options, MaxPool2dOp::Extras{.activation = Activation::relu,
                                                             .argmax = false}),
                            {given}));
    // Sums of up to 256 of them are exact.
    Tensor slopes = random_tensor(dy.shape(), DType::i32, 2, {-2, 3}).to(dtype);
    const auto got = interpret(graph, {{"x", x}, {"dy", slopes}}, nullptr, device());
    EXPECT_TRUE(close_to(got[0], want.y, 0.0)) << dtype;
    EXPECT_TRUE(close_to(got[1], position, 0.0)) << dtype;
    EXPECT_TRUE(close_to(got[2], pool.max_backward(want, to_doubles(slopes)), 0.0)) << dtype;
    EXPECT_TRUE(same_bits(got[3], got[0])) << dtype;
  }
}

INSTANTIATE_TEST_SUITE_P(Windows, MaxPool2dRelu, on_devices(kReluCases), device_case_name);

struct SumCase {
  const char* name;
  Shape shape;
  DType dtype, argmax;
};
ENGINE_TEST_CASE_PRINTS_NAME(SumCase)

const SumCase kSumCases[] = {
    {"one", {1, 1, 1, 1}, DType::f32, DType::u8},
    {"f32", {3, 20, 7, 32}, DType::f32, DType::u8},
    {"f32_odd", {3, 5, 7, 5}, DType::f32, DType::u8},
    {"bf16", {3, 20, 7, 40}, DType::bf16, DType::u8},
    {"bf16_odd", {3, 5, 7, 13}, DType::bf16, DType::u8},
    {"many_channels", {1, 3, 4, 300}, DType::f32, DType::u8},
    {"many_channels_bf16", {1, 3, 4, 301}, DType::bf16, DType::u8},
    {"many_rows", {4, 45, 30, 8}, DType::f32, DType::u8},
    {"many_rows_bf16", {4, 45, 30, 3}, DType::bf16, DType::u8},
    {"wide_index", {2, 5, 3, 8}, DType::f32, DType::i32},
    {"wide_index_odd", {2, 5, 3, 7}, DType::f32, DType::i32},
    {"wide_index_bf16", {2, 5, 3, 8}, DType::bf16, DType::i32},
    {"wide_index_bf16_odd", {2, 5, 3, 7}, DType::bf16, DType::i32},
    {"empty_batch", {0, 4, 4, 8}, DType::f32, DType::u8},
};

class MaxPool2dBackwardSum : public DeviceTest<SumCase> {};

TEST_P(MaxPool2dBackwardSum, MatchesReference) {
  const auto& [name, shape, dtype, argmax_type] = GetParam();
  const Tensor dy = random_tensor(shape, dtype, 1);
  std::vector<float> chosen = random_tensor(shape, DType::i32, 2, {0, 4}).to_floats();
  for (float& position : chosen) {
    if (position == 3) position = argmax_type == DType::u8 ? 255 : -1;
  }
  const Tensor argmax = Tensor::from(chosen, shape).to(argmax_type);
  const auto channels = static_cast<std::size_t>(shape[3]);
  std::vector<double> want(channels), magnitude(channels), bound(channels);
  const auto slopes = to_doubles(dy);
  for (std::size_t i = 0; i < slopes.size(); ++i) {
    if (chosen[i] == 255 || chosen[i] == -1) continue;
    want[i % channels] += slopes[i];
    magnitude[i % channels] += std::abs(slopes[i]);
  }
  for (std::size_t i = 0; i < channels; ++i) {
    bound[i] =
        error_bound(static_cast<double>(shape.slice(0, 3).elements()), magnitude[i], want[i]);
  }
  Graph graph;
  graph.output("sum", graph.add1(std::make_shared<MaxPool2dBackwardSumOp>(),
                                 {graph.input("dy", shape, dtype),
                                  graph.input("argmax", shape, argmax_type)}));
  const auto got = interpret(graph, {{"dy", dy}, {"argmax", argmax}}, nullptr, device());
  EXPECT_TRUE(close_to(got[0], want, bound));
}

INSTANTIATE_TEST_SUITE_P(Table, MaxPool2dBackwardSum, on_devices(kSumCases), device_case_name);

}  // namespace
}  // namespace engine
