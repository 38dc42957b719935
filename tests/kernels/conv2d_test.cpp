#include "engine/kernels/conv2d.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/kernels/conv2d_cases.h"

namespace engine {
namespace {

using testing::HasSubstr;

// The reference is linear in x and in w, so central differences are exact up to rounding.
TEST(Conv2d, ReferenceGradientsMatchDifferences) {
  const Conv2dCase c{"", 2, 6, 5, 4, 6, 3, 2, 2, 1, 1, 0, 1, 2, 2};
  const Conv2dData data(c, DType::f32);
  auto x = to_doubles(data.x), w = to_doubles(data.w);
  const auto dy = to_doubles(data.dy);
  const auto dx = reference::conv2d_backward_data(c, dy, w);
  const auto dw = reference::conv2d_backward_weights(c, x, dy);
  const auto loss = [&] {
    const auto y = reference::conv2d(c, x, w);
    double sum = 0;
    for (std::size_t i = 0; i < y.size(); ++i) sum += y[i] * dy[i];
    return sum;
  };
  const auto expect_slope = [&](std::vector<double>& at, const std::vector<double>& slope) {
    ASSERT_EQ(at.size(), slope.size());
    for (std::size_t i = 0; i < at.size(); ++i) {
      const double kept = at[i];
      at[i] = kept + 0.5;
      const double above = loss();
      at[i] = kept - 0.5;
      EXPECT_NEAR(above - loss(), slope[i], 1e-12);
      at[i] = kept;
    }
  };
  expect_slope(x, dx);
  expect_slope(w, dw);
}

TEST(Conv2d, GradientsMatchReference) {
  const Conv2dCase c{"", 2, 6, 5, 4, 6, 3, 2, 2, 1, 1, 0, 1, 2, 2};
  for (const Device& device : test_devices()) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      const Conv2dData data(c, dtype);
      Graph graph;
      const Value x = graph.input("x", x_shape(c), dtype), w = graph.input("w", w_shape(c), dtype);
      const Value y = conv2d(x, w, geometry_of(c));
      const auto gradients = gradients_of_node(y, graph.input("dy", y_shape(c), dtype));
      graph.output("dx", gradients[0]);
      graph.output("dw", gradients[1]);
      const auto got =
          interpret(graph, {{"x", data.x}, {"w", data.w}, {"dy", data.dy}}, nullptr, device);
      const Expected dx = expected_dx(c, data);
      Expected dw = expected_dw(c, data);
      for (std::size_t i = 0; i < dw.values.size(); ++i) {  // has the type of w
        dw.bounds[i] += rounding_of(dtype) * std::abs(dw.values[i]);
      }
      EXPECT_TRUE(close_to(got[0], dx.values, dx.bounds));
      EXPECT_TRUE(close_to(got[1], dw.values, dw.bounds));
      EXPECT_EQ(got[1].dtype(), dtype);
    }
  }
}

// Both backward ops are linear in each input, so their own gradients are convolutions again.
TEST(Conv2d, SecondGradientsMatchReference) {
  for (const Device& device : test_devices()) {
    const Conv2dCase c{"", 2, 6, 5, 4, 6, 3, 2, 2, 1, 1, 0, 1, 1, 2};
    const Conv2dData data(c, DType::f32);
    Graph graph;
    const Value x = graph.input("x", x_shape(c)), w = graph.input("w", w_shape(c));
    const Value dy = graph.input("dy", y_shape(c));
    const Conv2dGeometry geometry = geometry_of(c);
    const Value dx = conv2d_backward_data(dy, w, x_shape(c), geometry);
    const Value dw = conv2d_backward_weights(x, dy, w_shape(c), geometry);
    for (const Value& value : gradients_of_node(dx, x)) graph.output(value.node().name, value);
    for (const Value& value : gradients_of_node(dw, w)) graph.output(value.node().name, value);
    const auto got =
        interpret(graph, {{"x", data.x}, {"w", data.w}, {"dy", data.dy}}, nullptr, device);
    const auto xd = to_doubles(data.x), wd = to_doubles(data.w), dyd = to_doubles(data.dy);
    EXPECT_TRUE(close_to(got[0], reference::conv2d(c, xd, wd), 1e-5));
    EXPECT_TRUE(close_to(got[1], reference::conv2d_backward_weights(c, xd, dyd), 1e-5));
    EXPECT_TRUE(close_to(got[2], reference::conv2d_backward_data(c, dyd, wd), 1e-5));
    EXPECT_TRUE(close_to(got[3], reference::conv2d(c, xd, wd), 1e-5));
  }
}

TEST(Conv2d, EmptyBatch) {
  for (const Device& device : test_devices()) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      Graph graph;
      const Value x = graph.input("x", {0, 5, 4, 3}, dtype), w = graph.input("w", {8, 3, 3, 3});
      const Value y = conv2d(x, w, {.padding = 1});
      graph.output("y", y);
      graph.output("dx", conv2d_backward_data(y, w, x.shape(), {.padding = 1}));
      graph.output("dw", conv2d_backward_weights(x, y, w.shape(), {.padding = 1}));
      const auto got = interpret(graph,
                                 {{"x", Tensor::zeros({0, 5, 4, 3}, dtype, Device::cpu())},
                                  {"w", random_tensor({8, 3, 3, 3}, DType::f32, 1)}},
                                 nullptr, device);
      EXPECT_EQ(got[0].shape(), Shape({0, 5, 4, 8}));
      EXPECT_EQ(got[1].shape(), Shape({0, 5, 4, 3}));
      EXPECT_TRUE(close_to(got[2], std::vector<double>(8 * 9 * 3, 0.0), 0.0));
    }
  }
}

TEST(Conv2d, RefusesWhatDoesNotFit) {
  Graph graph;
  const Value x = graph.input("x", {2, 5, 4, 6});
  const auto with_w = [&](const Shape& shape, const Conv2dGeometry& geometry = {}) {
    const Value w = Graph::of(x).constant(Tensor::zeros(shape, DType::f32, Device::cpu()));
    return error_of([&] { conv2d(x, w, geometry); });
  };
  EXPECT_THAT(with_w({8, 3, 3, 5}), HasSubstr("conv2d: x [2, 5, 4, 6] has 6 channels"));
  EXPECT_THAT(with_w({8, 3, 3, 5}), HasSubstr("but w [8, 3, 3, 5] takes 5"));
  EXPECT_THAT(with_w({8, 6}), HasSubstr("w [8, 6] must be [n, h, w, in_channels]"));
  EXPECT_THAT(with_w({8, 3, 3, 2}, {.groups = 4}),
              HasSubstr("the 6 channels of x [2, 5, 4, 6] do not divide into 4 groups"));
  EXPECT_THAT(with_w({7, 3, 3, 3}, {.groups = 2}), HasSubstr("7 filters of w [7, 3, 3, 3]"));
  EXPECT_THAT(with_w({8, 3, 5, 6}), HasSubstr("the 3x5 kernel of w [8, 3, 5, 6]"));
  EXPECT_THAT(with_w({8, 3, 3, 6}, {.dilation = 2}), HasSubstr("exceeds x [2, 5, 4, 6]"));
  EXPECT_THAT(with_w({8, 3, 3, 6}, {.stride = {0, 1}}), HasSubstr("stride 0x1"));
  EXPECT_THAT(with_w({8, 3, 3, 6}, {.padding = -1}), HasSubstr("padding -1x-1"));
  constexpr std::int64_t kHuge = std::int64_t{1} << 62;
  for (const Conv2dGeometry& geometry :
       {Conv2dGeometry{.stride = kHuge}, {.padding = kHuge}, {.dilation = {1, kHuge}}}) {
    EXPECT_THAT(with_w({8, 3, 3, 6}, geometry), HasSubstr("no side may exceed 2147483648"));
  }
  EXPECT_EQ(with_w({8, 3, 3, 6}), "");

  const Value w16 = graph.input("w16", {8, 3, 3, 6}, DType::bf16);
  EXPECT_THAT(error_of([&] { conv2d(x, w16); }), HasSubstr("weights bf16[8, 3, 3, 6]"));
  const Value w = graph.input("w", {8, 3, 3, 6}), dy = graph.input("dy", {2, 3, 3, 8});
  EXPECT_THAT(error_of([&] { conv2d_backward_data(dy, w, x.shape()); }),
              HasSubstr("dy f32[2, 3, 3, 8] for x [2, 5, 4, 6]"));
  EXPECT_THAT(error_of([&] { conv2d_backward_weights(x, dy, w.shape()); }),
              HasSubstr("it should be [2, 3, 2, 8]"));
}

TEST(Conv2d, FusedFormHasNoGradient) {
  Graph graph;
  const Value x = graph.input("x", {1, 4, 4, 2}), w = graph.input("w", {3, 3, 3, 2});
  const Value b = graph.input("b", {3});
  const Value y = graph.add1(std::make_shared<Conv2dOp>(Conv2dGeometry{}), {x, w, b});
  EXPECT_THROW(gradients_of_node(y, y), Error);
}

}  // namespace
}  // namespace engine
