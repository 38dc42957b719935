#include "engine/kernels/reduce.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "tests/kernels/matrix_support.h"
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
  AxisRange axes;
};
ENGINE_TEST_CASE_PRINTS_NAME(Case)

const Case kCases[] = {
    {"everything", {3, 5, 7}, {0, 3}},
    {"scalar", {}, {0, 0}},
    {"no_axes", {3, 5}, {1, 1}},
    {"leading", {6, 5, 3}, {0, 2}},
    {"leading_many_rows_narrow", {7001, 3}, {0, 1}},
    {"leading_one_column", {30001, 1}, {0, 1}},
    {"bias_of_32", {9, 33, 5, 32}, {0, 3}},
    {"leading_wide", {5, 9001}, {0, 1}},
    {"middle", {4, 15, 6}, {1, 2}},
    {"trailing", {5, 77}, {1, 2}},
    {"trailing_long", {2, 20003}, {1, 2}},
    {"spatial", {5, 9, 7, 12}, {1, 3}},
    {"one_row", {1, 40}, {0, 1}},
    {"columns_of_31", {2, 203, 31}, {0, 2}},
    {"columns_of_33", {513, 33}, {0, 1}},
    {"strips_of_257_odd", {40, 257}, {0, 1}},
    {"outer_strips", {3, 9, 1030}, {1, 2}},
    {"outer_chunks", {3, 900, 24}, {1, 2}},
};

const Case kLargeCases[] = {
    {"leading_many_rows_narrow", {70001, 3}, {0, 1}}, {"leading_one_column", {70001, 1}, {0, 1}},
    {"bias_of_32", {9, 33, 65, 32}, {0, 3}},          {"leading_wide", {37, 9001}, {0, 1}},
    {"trailing_long", {2, 200003}, {1, 2}},
};

class Reduce : public DeviceTest<Case> {};
INSTANTIATE_TEST_SUITE_P(Axes, Reduce, on_devices(kCases), device_case_name);
INSTANTIATE_TEST_SUITE_P(Large, Reduce, on_cpu(kLargeCases), device_case_name);

TEST_P(Reduce, ForwardAndBackwardMatchReference) {
  const auto& [name, shape, axes] = GetParam();
  const ReduceExtents e = reduce_extents(shape, axes);
  for (DType dtype : {DType::f32, DType::bf16}) {
    const Tensor x = random_tensor(shape, dtype, 5, {-1, 2});
    Graph graph;
    Value in = graph.input("x", shape, dtype);
    Value total = sum(in, axes), average = mean(in, axes);
    Value dy = graph.input("dy", total.shape());
    graph.output("sum", total);
    graph.output("mean", average);
    graph.output("dx", gradients_of_node(total, dy)[0]);
    graph.output("dx_mean", gradients_of_node(average, dy)[0]);
    const Tensor dy_value = random_tensor(total.shape(), DType::f32, 6);
    const auto got = interpret(graph, {{"x", x}, {"dy", dy_value}}, nullptr, device());
    EXPECT_EQ(got[0].dtype(), DType::f32);

    const auto xs = to_doubles(x), dys = to_doubles(dy_value);
    std::vector<double> want(dys.size()), magnitude(dys.size()), bound, want_mean, bound_mean;
    std::vector<double> dx, dx_mean, dx_bound, dx_mean_bound;
    for (std::int64_t i = 0; i < shape.elements(); ++i) {
      const auto to = static_cast<std::size_t>(i / (e.reduced * e.inner) * e.inner + i % e.inner);
      want[to] += xs[static_cast<std::size_t>(i)];
      magnitude[to] += std::abs(xs[static_cast<std::size_t>(i)]);
      dx.push_back(dys[to]);
      dx_mean.push_back(dys[to] / static_cast<double>(e.reduced));
      dx_bound.push_back(rounding_of(dtype) * std::abs(dys[to]));
      dx_mean_bound.push_back(2 * rounding_of(dtype) * std::abs(dx_mean.back()));
    }
    for (std::size_t i = 0; i < want.size(); ++i) {
      // Far tighter than the number of terms: blocks and pairs leave short chains.
      bound.push_back(error_bound(200, magnitude[i], want[i]));
      want_mean.push_back(want[i] / static_cast<double>(e.reduced));
      bound_mean.push_back(bound[i] / static_cast<double>(e.reduced) +
                           0x1p-24 * std::abs(want_mean[i]));
    }
    EXPECT_TRUE(close_to(got[0], want, bound)) << dtype;
    EXPECT_TRUE(close_to(got[1], want_mean, bound_mean)) << dtype;
    EXPECT_TRUE(close_to(got[2], dx, dx_bound)) << dtype;
    EXPECT_TRUE(close_to(got[3], dx_mean, dx_mean_bound)) << dtype;
  }
}

// Where the precision pass has made the gradient bf16.
TEST_P(Reduce, BackwardRepeatsBf16) {
  const auto& [name, shape, axes] = GetParam();
  const ReduceExtents e = reduce_extents(shape, axes);
  const ReduceOp forward(ReduceMember::mean, axes);
  const Shape dy_shape = forward.infer(std::vector<TensorType>{{shape, DType::f32}})[0].shape;
  Graph graph;
  graph.output("dx", graph.add1(std::make_shared<ReduceBackwardOp>(ReduceMember::mean, axes, shape),
                                {graph.input("dy", dy_shape, DType::bf16)}, "dx"));
  const Tensor dy = random_tensor(dy_shape, DType::bf16, 6);
  const auto dys = to_doubles(dy);
  std::vector<double> want, bound;
  for (std::int64_t i = 0; i < shape.elements(); ++i) {
    const auto from = static_cast<std::size_t>(i / (e.reduced * e.inner) * e.inner + i % e.inner);
    want.push_back(dys[from] / static_cast<double>(e.reduced));
    bound.push_back(error_bound(0, std::abs(want.back()), want.back(), DType::bf16));
  }
  EXPECT_TRUE(close_to(interpret(graph, {{"dy", dy}}, nullptr, device())[0], want, bound));
}

class ReduceThreads : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Axes, ReduceThreads, testing::ValuesIn(kCases), case_name);
INSTANTIATE_TEST_SUITE_P(Large, ReduceThreads, testing::ValuesIn(kLargeCases), case_name);

TEST_P(ReduceThreads, SameBitsForEveryThreadCount) {
  const auto& [name, shape, axes] = GetParam();
  const ReduceOp op(ReduceMember::sum, axes);
  const Tensor x = random_tensor(shape, DType::f32, 5);
  const std::vector<TensorType> inputs = {x.type()}, outputs = op.infer(inputs);
  std::vector<Tensor> results;
  for (int threads : {1, 2, 3}) {
    const Device device = Device::cpu({.threads = threads});
    const auto kernel = op.prepare({device, inputs, outputs, {}});
    std::vector<char> scratch(static_cast<std::size_t>(kernel->scratch_bytes()));
    results.push_back(Tensor::empty(outputs[0].shape, DType::f32, Device::cpu()));
    const void* in = x.data();
    void* out = results.back().data();
    kernel->run(device, {{&in, 1}, {&out, 1}, scratch.data()});
  }
  EXPECT_TRUE(same_bits(results[0], results[1]));
  EXPECT_TRUE(same_bits(results[0], results[2]));
}

class ReduceLimits : public testing::TestWithParam<Device> {};
INSTANTIATE_TEST_SUITE_P(Devices, ReduceLimits, testing::ValuesIn(test_devices()), device_name);

TEST_P(ReduceLimits, SumOfNothingIsZeroAndItsMeanNan) {
  Graph graph;
  Value x = graph.input("x", {0, 3});
  graph.output("sum", sum(x, {.first = 0, .last = 1}));
  graph.output("mean", mean(x, {.first = 0, .last = 1}));
  graph.output("empty", sum(x, {.first = 1, .last = 2}));
  const Tensor none = Tensor::zeros({0, 3}, DType::f32, Device::cpu());
  const auto got = interpret(graph, {{"x", none}}, nullptr, GetParam());
  EXPECT_TRUE(close_to(got[0], std::vector<double>{0, 0, 0}, 0.0));
  EXPECT_TRUE(close_to(got[1], std::vector<double>(3, std::nan("")), 0.0));
  EXPECT_EQ(got[2].shape(), Shape{0});
}

TEST_P(ReduceLimits, KeepsNanAndInfinity) {
  Graph graph;
  graph.output("sum", sum(graph.input("x", {3, 2}), {.first = 1, .last = 2}));
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const Tensor value =
      Tensor::from(std::vector<float>{NAN, 1, kInfinity, 1, kInfinity, -kInfinity}, {3, 2});
  const auto got = interpret(graph, {{"x", value}}, nullptr, GetParam());
  EXPECT_TRUE(close_to(got[0], std::vector<double>{NAN, INFINITY, NAN}, 0.0));
}

TEST(ReduceErrors, NamesWrongAxes) {
  Graph graph;
  try {
    sum(graph.input("x", {2, 3}), {.first = 1, .last = 3});
    FAIL() << "accepted";
  } catch (const InvalidArgument& error) {
    EXPECT_NE(std::string(error.what()).find("sum: axes 1..3 of [2, 3]"), std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace engine
