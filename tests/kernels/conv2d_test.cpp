#include "engine/kernels/conv2d.h"

#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/kernels/matrix_support.h"
#include "tests/reference/conv2d.h"
#include "tests/support/cases.h"
#include "tests/support/interpret.h"
#include "tests/support/random_tensor.h"

namespace engine {
namespace reference {
ENGINE_TEST_CASE_PRINTS_NAME(Conv2dCase)
}
namespace {

using reference::Conv2dCase;
using testing::HasSubstr;

const Conv2dCase kCases[] = {
    {.name = "one_pixel"},
    {.name = "batch_one_3x3",
     .h = 8,
     .w = 8,
     .in_channels = 16,
     .out_channels = 32,
     .kh = 3,
     .kw = 3,
     .padding_h = 1,
     .padding_w = 1},
    {.name = "odd_sizes",
     .n = 3,
     .h = 7,
     .w = 11,
     .in_channels = 5,
     .out_channels = 13,
     .kh = 3,
     .kw = 3,
     .padding_h = 1,
     .padding_w = 1},
    {.name = "first_layer",
     .n = 4,
     .h = 16,
     .w = 12,
     .in_channels = 3,
     .out_channels = 32,
     .kh = 3,
     .kw = 3,
     .padding_h = 1,
     .padding_w = 1},
    {.name = "one_channel_5x5",
     .n = 2,
     .h = 14,
     .w = 14,
     .in_channels = 1,
     .out_channels = 6,
     .kh = 5,
     .kw = 5,
     .padding_h = 2,
     .padding_w = 2},
    {.name = "tile_minus_one",
     .n = 2,
     .h = 6,
     .w = 6,
     .in_channels = 15,
     .out_channels = 31,
     .kh = 3,
     .kw = 3,
     .padding_h = 1,
     .padding_w = 1},
    {.name = "tile_plus_one",
     .n = 2,
     .h = 6,
     .w = 6,
     .in_channels = 17,
     .out_channels = 33,
     .kh = 3,
     .kw = 3,
     .padding_h = 1,
     .padding_w = 1},
    {.name = "pointwise", .n = 2, .h = 5, .w = 9, .in_channels = 24, .out_channels = 40},
    {.name = "pointwise_stride_2",
     .n = 2,
     .h = 9,
     .w = 9,
     .in_channels = 16,
     .out_channels = 8,
     .stride_h = 2,
     .stride_w = 2},
    {.name = "stride_above_kernel",
     .n = 2,
     .h = 13,
     .w = 10,
     .in_channels = 4,
     .out_channels = 8,
     .kh = 2,
     .kw = 2,
     .stride_h = 3,
     .stride_w = 4},
    {.name = "stride_with_rest",
     .n = 2,
     .h = 10,
     .w = 8,
     .in_channels = 6,
     .out_channels = 6,
     .kh = 3,
     .kw = 3,
     .stride_h = 2,
     .stride_w = 2},
    {.name = "unequal_kernel",
     .n = 2,
     .h = 9,
     .w = 17,
     .in_channels = 3,
     .out_channels = 10,
     .kh = 1,
     .kw = 7,
     .stride_w = 2,
     .padding_w = 3},
    {.name = "kernel_is_image",
     .n = 5,
     .h = 6,
     .w = 4,
     .in_channels = 8,
     .out_channels = 12,
     .kh = 6,
     .kw = 4},
    {.name = "padding_beyond_kernel",
     .n = 2,
     .h = 3,
     .w = 3,
     .in_channels = 4,
     .out_channels = 4,
     .kh = 2,
     .kw = 2,
     .padding_h = 3,
     .padding_w = 3},
    {.name = "dilation",
     .n = 2,
     .h = 11,
     .w = 12,
     .in_channels = 8,
     .out_channels = 16,
     .kh = 3,
     .kw = 3,
     .padding_h = 2,
     .padding_w = 3,
     .dilation_h = 2,
     .dilation_w = 3},
    {.name = "groups",
     .n = 2,
     .h = 7,
     .w = 7,
     .in_channels = 6,
     .out_channels = 9,
     .kh = 3,
     .kw = 3,
     .padding_h = 1,
     .padding_w = 1,
     .groups = 3},
    {.name = "groups_of_16",
     .n = 2,
     .h = 8,
     .w = 8,
     .in_channels = 32,
     .out_channels = 32,
     .kh = 3,
     .kw = 3,
     .padding_h = 1,
     .padding_w = 1,
     .groups = 2},
    {.name = "depthwise",
     .n = 2,
     .h = 9,
     .w = 8,
     .in_channels = 24,
     .out_channels = 24,
     .kh = 3,
     .kw = 3,
     .padding_h = 1,
     .padding_w = 1,
     .groups = 24},
    {.name = "depthwise_odd_stride_2",
     .n = 2,
     .h = 9,
     .w = 7,
     .in_channels = 7,
     .out_channels = 7,
     .kh = 3,
     .kw = 3,
     .stride_h = 2,
     .stride_w = 2,
     .padding_h = 1,
     .padding_w = 1,
     .groups = 7},
    {.name = "depthwise_twice_the_filters",
     .n = 2,
     .h = 6,
     .w = 6,
     .in_channels = 8,
     .out_channels = 16,
     .kh = 3,
     .kw = 3,
     .groups = 8},
    {.name = "many_channels",
     .h = 4,
     .w = 4,
     .in_channels = 130,
     .out_channels = 70,
     .kh = 3,
     .kw = 3,
     .padding_h = 1,
     .padding_w = 1},
};

Conv2dGeometry geometry_of(const Conv2dCase& c) {
  return {.stride = {c.stride_h, c.stride_w},
          .padding = {c.padding_h, c.padding_w},
          .dilation = {c.dilation_h, c.dilation_w},
          .groups = c.groups};
}

Shape x_shape(const Conv2dCase& c) {
  return {c.n, c.h, c.w, c.in_channels};
}
Shape w_shape(const Conv2dCase& c) {
  return {c.out_channels, c.kh, c.kw, c.group_channels()};
}
Shape y_shape(const Conv2dCase& c) {
  return {c.n, c.oh(), c.ow(), c.out_channels};
}

struct Data {
  Data(const Conv2dCase& c, DType dtype)
      : x(random_tensor(x_shape(c), dtype, 1)),
        w(random_tensor(w_shape(c), dtype, 2)),
        dy(random_tensor(y_shape(c), dtype, 3)) {}
  Tensor x, w, dy;
};

class Conv2d : public testing::TestWithParam<Conv2dCase> {
 protected:
  // y, dx and dw of the op and its gradient rule, each held against the definition.
  static void expect_reference(DType dtype) {
    const Conv2dCase& c = GetParam();
    const Data data(c, dtype);
    Graph graph;
    const Value x = graph.input("x", x_shape(c), dtype), w = graph.input("w", w_shape(c), dtype);
    const Value dy = graph.input("dy", y_shape(c), dtype);
    const Value y = conv2d(x, w, geometry_of(c));
    const std::vector<Value> gradients = gradients_of_node(y, dy);
    graph.output("y", y);
    graph.output("dx", gradients[0]);
    graph.output("dw", gradients[1]);
    const std::vector<Tensor> got =
        interpret(graph, {{"x", data.x}, {"w", data.w}, {"dy", data.dy}});

    const auto xd = to_doubles(data.x), wd = to_doubles(data.w), dyd = to_doubles(data.dy);
    const auto xa = absolute(xd), wa = absolute(wd), dya = absolute(dyd);
    const std::int64_t taps = c.kh * c.kw;
    const auto want_y = reference::conv2d(c, xd, wd);
    EXPECT_TRUE(close_to(
        got[0], want_y,
        product_bounds(taps * c.group_channels(), want_y, reference::conv2d(c, xa, wa), dtype)));
    const auto want_dx = reference::conv2d_backward_data(c, dyd, wd);
    EXPECT_TRUE(close_to(got[1], want_dx,
                         product_bounds(taps * c.out_channels / c.groups, want_dx,
                                        reference::conv2d_backward_data(c, dya, wa), dtype)));
    const auto want_dw = reference::conv2d_backward_weights(c, xd, dyd);
    EXPECT_TRUE(close_to(got[2], want_dw,
                         product_bounds(c.n * c.oh() * c.ow(), want_dw,
                                        reference::conv2d_backward_weights(c, xa, dya), dtype)));
  }
};

TEST_P(Conv2d, MatchesReferenceF32) {
  expect_reference(DType::f32);
}

TEST_P(Conv2d, MatchesReferenceBf16) {
  expect_reference(DType::bf16);
}

// Weights that never change give the same bits when they are packed once.
TEST_P(Conv2d, FrozenEqualsTrainable) {
  const Conv2dCase& c = GetParam();
  for (const DType dtype : {DType::f32, DType::bf16}) {
    const Data data(c, dtype);
    const Conv2dOp op(geometry_of(c));
    EXPECT_TRUE(same_bits(run_alone(op, {data.x, data.w}), run_alone(op, {data.x, data.w}, {1})));
  }
}

TEST(Conv2d, PackedWeightsAreCounted) {
  const std::vector<TensorType> in = {{{1, 8, 8, 16}, DType::f32}, {{32, 3, 3, 16}, DType::f32}};
  const Conv2dOp op({});
  const auto out = op.infer(in);
  const Tensor w = random_tensor(in[1].shape, DType::f32, 1);
  const std::vector<const void*> trainable(2, nullptr), frozen = {nullptr, w.data()};
  const Device device = Device::cpu();
  const auto fresh = op.prepare({device, in, out, trainable});
  const auto packed = op.prepare({device, in, out, frozen});
  EXPECT_EQ(fresh->packed_bytes(), 0);
  EXPECT_GE(fresh->scratch_bytes(), in[1].bytes());
  EXPECT_GE(packed->packed_bytes(), in[1].bytes());
  EXPECT_LE(packed->scratch_bytes() + in[1].bytes(), fresh->scratch_bytes());
}

// f32 weights with bf16 data mean the same as weights that were cast before.
TEST_P(Conv2d, F32WeightsWithBf16Data) {
  const Conv2dCase& c = GetParam();
  const Data data(c, DType::bf16);
  const Tensor w = random_tensor(w_shape(c), DType::f32, 2);  // not rounded to bf16
  Graph graph;
  const Value x = graph.input("x", x_shape(c), DType::bf16);
  const Value dy = graph.input("dy", y_shape(c), DType::bf16);
  const Value given = graph.input("w", w_shape(c));
  const Value rounded = graph.input("rounded", w_shape(c), DType::bf16);
  for (const Value& weights : {given, rounded}) {
    const std::string name = weights == given ? "given" : "rounded";
    graph.output(name + " y", conv2d(x, weights, geometry_of(c)));
    graph.output(name + " dx", conv2d_backward_data(dy, weights, x_shape(c), geometry_of(c)));
  }
  const auto got =
      interpret(graph, {{"x", data.x}, {"dy", data.dy}, {"w", w}, {"rounded", w.to(DType::bf16)}});
  EXPECT_TRUE(same_bits(got[0], got[2]));
  EXPECT_TRUE(same_bits(got[1], got[3]));
}

INSTANTIATE_TEST_SUITE_P(Table, Conv2d, testing::ValuesIn(kCases), case_name);

TEST(Conv2d, BiasAndReluMatchReference) {
  const Conv2dCase c{.n = 2,
                     .h = 7,
                     .w = 9,
                     .in_channels = 6,
                     .out_channels = 20,
                     .kh = 3,
                     .kw = 3,
                     .padding_h = 1,
                     .padding_w = 1};
  for (const DType dtype : {DType::f32, DType::bf16}) {
    const Data data(c, dtype);
    const Tensor bias = random_tensor({c.out_channels}, DType::f32, 4);
    auto want = reference::conv2d(c, to_doubles(data.x), to_doubles(data.w));
    auto magnitude =
        reference::conv2d(c, absolute(to_doubles(data.x)), absolute(to_doubles(data.w)));
    for (std::size_t i = 0; i < want.size(); ++i) {
      const double b = bias.span<float>()[i % c.out_channels];
      want[i] += b;
      magnitude[i] += std::abs(b);
    }
    const auto bounds = product_bounds(9 * 6 + 1, want, magnitude, dtype);
    const Conv2dOp plain(geometry_of(c)), with_relu(geometry_of(c), Activation::relu);
    EXPECT_TRUE(close_to(run_alone(plain, {data.x, data.w, bias}), want, bounds));
    for (double& value : want) value = std::max(value, 0.0);
    EXPECT_TRUE(close_to(run_alone(with_relu, {data.x, data.w, bias}), want, bounds));
  }
}

// The reference is linear in x and in w, so central differences are exact up to rounding.
TEST(Conv2d, ReferenceGradientsMatchDifferences) {
  const Conv2dCase c{.n = 2,
                     .h = 6,
                     .w = 5,
                     .in_channels = 4,
                     .out_channels = 6,
                     .kh = 3,
                     .kw = 2,
                     .stride_h = 2,
                     .padding_h = 1,
                     .dilation_w = 2,
                     .groups = 2};
  const Data data(c, DType::f32);
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

// Both backward ops are linear in each input, so their own gradients are convolutions again.
TEST(Conv2d, SecondGradientsMatchReference) {
  const Conv2dCase c{.n = 2,
                     .h = 6,
                     .w = 5,
                     .in_channels = 4,
                     .out_channels = 6,
                     .kh = 3,
                     .kw = 2,
                     .stride_h = 2,
                     .padding_h = 1,
                     .groups = 2};
  const Data data(c, DType::f32), other(c, DType::f32);
  Graph graph;
  const Value x = graph.input("x", x_shape(c)), w = graph.input("w", w_shape(c));
  const Value dy = graph.input("dy", y_shape(c));
  const Conv2dGeometry geometry = geometry_of(c);
  const Value dx = conv2d_backward_data(dy, w, x_shape(c), geometry);
  const Value dw = conv2d_backward_weights(x, dy, w_shape(c), geometry);
  for (const Value& value : gradients_of_node(dx, x)) graph.output("d" + value.node().name, value);
  for (const Value& value : gradients_of_node(dw, w)) graph.output("d" + value.node().name, value);
  const auto got = interpret(graph, {{"x", data.x}, {"w", data.w}, {"dy", data.dy}});
  const auto xd = to_doubles(data.x), wd = to_doubles(data.w), dyd = to_doubles(data.dy);
  EXPECT_TRUE(close_to(got[0], reference::conv2d(c, xd, wd), 1e-5));
  EXPECT_TRUE(close_to(got[1], reference::conv2d_backward_weights(c, xd, dyd), 1e-5));
  EXPECT_TRUE(close_to(got[2], reference::conv2d_backward_data(c, dyd, wd), 1e-5));
  EXPECT_TRUE(close_to(got[3], reference::conv2d(c, xd, wd), 1e-5));
}

TEST(Conv2d, EmptyBatch) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    Graph graph;
    const Value x = graph.input("x", {0, 5, 4, 3}, dtype), w = graph.input("w", {8, 3, 3, 3});
    const Value y = conv2d(x, w, {.padding = 1});
    graph.output("y", y);
    graph.output("dx", conv2d_backward_data(y, w, x.shape(), {.padding = 1}));
    graph.output("dw", conv2d_backward_weights(x, y, w.shape(), {.padding = 1}));
    const auto got = interpret(graph, {{"x", Tensor::zeros({0, 5, 4, 3}, dtype, Device::cpu())},
                                       {"w", random_tensor({8, 3, 3, 3}, DType::f32, 1)}});
    EXPECT_EQ(got[0].shape(), Shape({0, 5, 4, 8}));
    EXPECT_EQ(got[1].shape(), Shape({0, 5, 4, 3}));
    EXPECT_TRUE(close_to(got[2], std::vector<double>(8 * 9 * 3, 0.0), 0.0));
  }
}

TEST(Conv2d, NanAndInfinityReachTheResult) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    const Tensor w = Tensor::from(std::vector<float>{1}, {1, 1, 1, 1}).to(dtype);
    const Tensor x = Tensor::from(std::vector<float>{NAN, INFINITY, -INFINITY, 2}, {1, 2, 2, 1});
    const Tensor y = run_alone(Conv2dOp({}), {x.to(dtype), w});
    EXPECT_TRUE(close_to(y, std::vector<double>{NAN, INFINITY, -INFINITY, 2}, 0.0));
  }
}

TEST(Conv2d, SameBitsInEveryRun) {
  const Conv2dCase c{.n = 8,
                     .h = 16,
                     .w = 16,
                     .in_channels = 32,
                     .out_channels = 64,
                     .kh = 3,
                     .kw = 3,
                     .padding_h = 1,
                     .padding_w = 1};
  for (const DType dtype : {DType::f32, DType::bf16}) {
    const Data data(c, dtype);
    Graph graph;
    const Value x = graph.input("x", x_shape(c), dtype), dy = graph.input("dy", y_shape(c), dtype);
    const Value dw = conv2d_backward_weights(x, dy, w_shape(c), geometry_of(c));
    const Op& op = *dw.node().op;
    const Tensor first = run_alone(op, {data.x, data.dy}, {}, Device::cpu({.threads = 2}));
    for (int run = 0; run < 3; ++run) {
      EXPECT_TRUE(
          same_bits(first, run_alone(op, {data.x, data.dy}, {}, Device::cpu({.threads = 2}))));
    }
  }
}

TEST(Conv2d, AnyThreadCount) {
  const Conv2dCase c{.n = 3,
                     .h = 9,
                     .w = 9,
                     .in_channels = 8,
                     .out_channels = 16,
                     .kh = 3,
                     .kw = 3,
                     .padding_h = 1,
                     .padding_w = 1};
  const Data data(c, DType::f32);
  const auto want = reference::conv2d(c, to_doubles(data.x), to_doubles(data.w));
  for (const int threads : {1, 2, 3}) {
    EXPECT_TRUE(close_to(run_alone(Conv2dOp(geometry_of(c)), {data.x, data.w}, {},
                                   Device::cpu({.threads = threads})),
                         want, 1e-5));
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
  EXPECT_THAT(with_w({8, 3, 3, 2}, {.groups = 4}), HasSubstr("4 groups"));
  EXPECT_THAT(with_w({7, 3, 3, 3}, {.groups = 2}), HasSubstr("7 filters of w [7, 3, 3, 3]"));
  EXPECT_THAT(with_w({8, 3, 5, 6}), HasSubstr("the 3x5 kernel of w [8, 3, 5, 6]"));
  EXPECT_THAT(with_w({8, 3, 3, 6}, {.dilation = 2}), HasSubstr("exceeds x [2, 5, 4, 6]"));
  EXPECT_THAT(with_w({8, 3, 3, 6}, {.stride = {0, 1}}), HasSubstr("stride 0x1"));
  EXPECT_THAT(with_w({8, 3, 3, 6}, {.padding = -1}), HasSubstr("padding -1x-1"));
  EXPECT_EQ(with_w({8, 3, 3, 6}), "");

  const Value w16 = graph.input("w16", {8, 3, 3, 6}, DType::bf16);
  EXPECT_THAT(error_of([&] { conv2d(x, w16); }), HasSubstr("weights bf16[8, 3, 3, 6]"));
  const Value w = graph.input("w", {8, 3, 3, 6}), dy = graph.input("dy", {2, 3, 3, 8});
  EXPECT_THAT(error_of([&] { conv2d_backward_data(dy, w, x.shape()); }),
              HasSubstr("dy f32[2, 3, 3, 8] for x [2, 5, 4, 6]"));
  EXPECT_THAT(error_of([&] { conv2d_backward_weights(x, dy, w.shape()); }),
              HasSubstr("it should be [2, 3, 2, 8]"));
}

TEST(Conv2d, F16HasNoKernelOnTheCpu) {
  const Tensor x = random_tensor({1, 4, 4, 2}, DType::f16, 1);
  const Tensor w = random_tensor({3, 3, 3, 2}, DType::f16, 2);
  EXPECT_THAT(error_of([&] {
                run_alone(Conv2dOp({}), {x, w});
              }),
              HasSubstr("conv2d: no f16 kernel for cpu"));
}

TEST(Conv2d, FusedFormHasNoGradient) {
  Graph graph;
  const Value x = graph.input("x", {1, 4, 4, 2}), w = graph.input("w", {3, 3, 3, 2});
  const Value b = graph.input("b", {3});
  const Value y = graph.add1(std::make_shared<Conv2dOp>(Conv2dGeometry{}), {x, w, b});
  EXPECT_THROW(gradients_of_node(y, y), Error);
}

// oneDNN reads the variable when it starts, so this runs in a process of its own.
TEST(Conv2dDeathTest, Bf16NeedsAvx512) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto refused = [] {
    setenv("DNNL_MAX_CPU_ISA", "SSE41", 1);
    setenv("ONEDNN_MAX_CPU_ISA", "SSE41", 1);
    const Tensor x = random_tensor({1, 4, 4, 16}, DType::bf16, 1);
    const Tensor w = random_tensor({16, 3, 3, 16}, DType::bf16, 2);
    const std::string text = error_of([&] { run_alone(Conv2dOp({}), {x, w}); });
    std::fputs(text.c_str(), stderr);
    std::_Exit(text.find("bf16 needs AVX-512") == std::string::npos ? 1 : 0);
  };
  EXPECT_EXIT(refused(), testing::ExitedWithCode(0), "conv2d: oneDNN .* bf16\\[1, 4, 4, 16\\]");
}

}  // namespace
}  // namespace engine
