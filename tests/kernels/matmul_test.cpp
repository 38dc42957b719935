#include "engine/kernels/matmul.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/kernels/matrix_support.h"
#include "tests/reference/matmul.h"
#include "tests/support/cases.h"
#include "tests/support/devices.h"
#include "tests/support/interpret.h"
#include "tests/support/random_tensor.h"

namespace engine {
namespace reference {
ENGINE_TEST_CASE_PRINTS_NAME(MatmulCase)
}
namespace {

using reference::MatmulCase;
using testing::HasSubstr;

const MatmulCase kCases[] = {
    {.name = "one_element"},
    {.name = "row_times_matrix", .m = 1, .k = 70, .n = 33},
    {.name = "linear_batch_1", .m = 1, .k = 400, .n = 120, .transpose_b = true},
    {.name = "linear_to_one", .m = 64, .k = 128, .n = 1, .transpose_b = true},
    {.name = "outer_product", .m = 17, .k = 1, .n = 31},
    {.name = "odd", .m = 7, .k = 13, .n = 5},
    {.name = "tile_minus_one", .m = 15, .k = 31, .n = 63},
    {.name = "tile", .m = 16, .k = 32, .n = 64},
    {.name = "tile_plus_one", .m = 17, .k = 33, .n = 65},
    {.name = "transpose_a", .m = 9, .k = 21, .n = 34, .transpose_a = true},
    {.name = "transpose_b", .m = 9, .k = 21, .n = 34, .transpose_b = true},
    {.name = "transpose_both", .m = 9, .k = 21, .n = 34, .transpose_a = true, .transpose_b = true},
    {.name = "long_sum", .m = 4, .k = 3000, .n = 6, .transpose_b = true},
    {.name = "weights_gradient", .m = 48, .k = 8, .n = 300, .transpose_a = true},
};

MatmulOptions options_of(const MatmulCase& c) {
  return {.transpose_a = c.transpose_a, .transpose_b = c.transpose_b};
}

Shape a_shape(const MatmulCase& c) {
  return c.transpose_a ? Shape{c.k, c.m} : Shape{c.m, c.k};
}
Shape b_shape(const MatmulCase& c) {
  return c.transpose_b ? Shape{c.n, c.k} : Shape{c.k, c.n};
}

// On a GPU tensor cores make the sums, which are known to 2^-22 of their terms.
std::vector<double> bounds_on(const Device& device, std::int64_t terms,
                              const std::vector<double>& want, std::vector<double> magnitude,
                              DType dtype) {
  if (device.is_cuda() && dtype == DType::bf16) {
    for (double& value : magnitude) value *= 4;
  }
  return product_bounds(terms, want, magnitude, dtype);
}

class Matmul : public DeviceTest<MatmulCase> {
 protected:
  static void expect_reference(DType dtype) {
    const MatmulCase& c = GetParam();
    const Tensor a = random_tensor(a_shape(c), dtype, 1), b = random_tensor(b_shape(c), dtype, 2);
    const Tensor dy = random_tensor({c.m, c.n}, dtype, 3);
    Graph graph;
    const Value av = graph.input("a", a.shape(), dtype), bv = graph.input("b", b.shape(), dtype);
    const Value y = matmul(av, bv, options_of(c));
    const auto gradients = gradients_of_node(y, graph.input("dy", dy.shape(), dtype));
    graph.output("y", y);
    graph.output("da", gradients[0]);
    graph.output("db", gradients[1]);
    const auto got = interpret(graph, {{"a", a}, {"b", b}, {"dy", dy}}, nullptr, device());

    const auto ad = to_doubles(a), bd = to_doubles(b), dyd = to_doubles(dy);
    const auto aa = absolute(ad), ba = absolute(bd), dya = absolute(dyd);
    const auto want = reference::matmul(c, ad, bd);
    EXPECT_TRUE(close_to(got[0], want,
                         bounds_on(device(), c.k, want, reference::matmul(c, aa, ba), dtype)));
    const auto want_da = reference::matmul_backward_a(c, dyd, bd);
    EXPECT_TRUE(close_to(
        got[1], want_da,
        bounds_on(device(), c.n, want_da, reference::matmul_backward_a(c, dya, ba), dtype)));
    const auto want_db = reference::matmul_backward_b(c, ad, dyd);
    EXPECT_TRUE(close_to(
        got[2], want_db,
        bounds_on(device(), c.m, want_db, reference::matmul_backward_b(c, aa, dya), dtype)));
  }
};

TEST_P(Matmul, MatchesReferenceF32) {
  expect_reference(DType::f32);
}

TEST_P(Matmul, MatchesReferenceBf16) {
  expect_reference(DType::bf16);
}

// A frozen b is packed once, which may sum in another order.
TEST_P(Matmul, FrozenMatchesReference) {
  const MatmulCase& c = GetParam();
  for (const DType dtype : {DType::f32, DType::bf16}) {
    const Tensor a = random_tensor(a_shape(c), dtype, 1), b = random_tensor(b_shape(c), dtype, 2);
    const auto want = reference::matmul(c, to_doubles(a), to_doubles(b));
    const auto magnitude = reference::matmul(c, absolute(to_doubles(a)), absolute(to_doubles(b)));
    const Tensor y = run_alone(MatmulOp(options_of(c)), {a, b}, {1}, device());
    EXPECT_TRUE(close_to(y, want, bounds_on(device(), c.k, want, magnitude, dtype)));
  }
}

// An f32 b with a bf16 a means the same as a b that was cast before, frozen or not.
TEST_P(Matmul, F32WeightsWithBf16Data) {
  const MatmulCase& c = GetParam();
  const Tensor a = random_tensor(a_shape(c), DType::bf16, 1);
  const Tensor b = random_tensor(b_shape(c), DType::f32, 2), rounded = b.to(DType::bf16);
  const MatmulOp op(options_of(c));
  for (const std::vector<int>& frozen : {std::vector<int>{}, {1}}) {
    EXPECT_TRUE(same_bits(run_alone(op, {a, b}, frozen, device()),
                          run_alone(op, {a, rounded}, frozen, device())));
  }
}

INSTANTIATE_TEST_SUITE_P(Table, Matmul, on_devices(kCases), device_case_name);

TEST(Matmul, BiasAndReluMatchReference) {
  const MatmulCase c{.m = 12, .k = 40, .n = 19, .transpose_b = true};
  for (const DType dtype : {DType::f32, DType::bf16}) {
    const Tensor a = random_tensor(a_shape(c), dtype, 1), b = random_tensor(b_shape(c), dtype, 2);
    const Tensor bias = random_tensor({c.n}, DType::f32, 3);
    auto want = reference::matmul(c, to_doubles(a), to_doubles(b));
    auto magnitude = reference::matmul(c, absolute(to_doubles(a)), absolute(to_doubles(b)));
    for (std::size_t i = 0; i < want.size(); ++i) {
      const double added = bias.span<float>()[i % c.n];
      want[i] += added;
      magnitude[i] += std::abs(added);
    }
    std::vector<double> positive = want;
    for (double& value : positive) value = std::max(value, 0.0);
    const MatmulOp op(options_of(c)), with_relu(options_of(c), Activation::relu);
    for (const Device& device : test_devices()) {
      const auto bounds = bounds_on(device, c.k + 1, want, magnitude, dtype);
      EXPECT_TRUE(close_to(run_alone(op, {a, b, bias}, {}, device), want, bounds));
      EXPECT_TRUE(close_to(run_alone(with_relu, {a, b, bias}, {}, device), positive, bounds));
      EXPECT_TRUE(close_to(run_alone(with_relu, {a, b, bias}, {1}, device), positive, bounds));
    }
  }
}

TEST(Matmul, ReferenceGradientsMatchDifferences) {
  for (MatmulCase c : kCases) {
    if (c.m * c.k * c.n > 10000) continue;
    auto a = to_doubles(random_tensor(a_shape(c), DType::f32, 1));
    auto b = to_doubles(random_tensor(b_shape(c), DType::f32, 2));
    const auto dy = to_doubles(random_tensor({c.m, c.n}, DType::f32, 3));
    const auto loss = [&] {
      const auto y = reference::matmul(c, a, b);
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
        EXPECT_NEAR(above - loss(), slope[i], 1e-11) << c.name;
        at[i] = kept;
      }
    };
    expect_slope(a, reference::matmul_backward_a(c, dy, b));
    expect_slope(b, reference::matmul_backward_b(c, a, dy));
  }
}

TEST(Matmul, GradientOfAParameterIsF32) {
  Graph graph;
  const Value x = graph.input("x", {4, 6}, DType::bf16);
  const Value w = graph.read_state({.name = "w", .shape = {3, 6}, .role = StateRole::parameter});
  const Value y = matmul(x, w, {.transpose_b = true});
  EXPECT_EQ(y.dtype(), DType::bf16);
  const auto gradients = gradients_of_node(y, graph.input("dy", {4, 3}, DType::bf16));
  EXPECT_EQ(gradients[0].dtype(), DType::bf16);
  EXPECT_EQ(gradients[1].dtype(), DType::f32);
  EXPECT_EQ(gradients[1].node().op->name(), "matmul");  // not rounded to bf16 and cast back

  graph.output("dw", gradients[1]);
  const Tensor x_data = random_tensor({4, 6}, DType::bf16, 1);
  const Tensor dy = random_tensor({4, 3}, DType::bf16, 2);
  const MatmulCase c{.m = 4, .k = 6, .n = 3, .transpose_b = true};
  const auto want = reference::matmul_backward_b(c, to_doubles(x_data), to_doubles(dy));
  for (const Device& device : test_devices()) {
    const auto got = interpret(graph, {{"x", x_data}, {"dy", dy}}, nullptr, device);
    EXPECT_TRUE(close_to(got[0], want, 1e-6)) << device;
  }
}

TEST(Matmul, EmptyExtents) {
  const Tensor bias = Tensor::from(std::vector<float>{2, -3}, {2});
  const auto zeros = [](const Shape& shape, DType dtype) {
    return Tensor::zeros(shape, dtype, Device::cpu());
  };
  const MatmulOp op({}), with_relu({}, Activation::relu);
  for (const Device& device : test_devices()) {
    const auto run = [&](const Op& which, const std::vector<Tensor>& inputs) {
      return run_alone(which, inputs, {}, device);
    };
    for (const DType dtype : {DType::f32, DType::bf16}) {
      EXPECT_EQ(run(op, {zeros({0, 3}, dtype), zeros({3, 2}, dtype)}).shape(), Shape({0, 2}));
      EXPECT_EQ(run(op, {zeros({4, 3}, dtype), zeros({3, 0}, dtype)}).shape(), Shape({4, 0}));
      const Tensor a = zeros({1, 0}, dtype), b = zeros({0, 2}, dtype);
      EXPECT_TRUE(close_to(run(op, {a, b}), std::vector<double>{0, 0}, 0.0));
      EXPECT_TRUE(close_to(run(op, {a, b, bias}), std::vector<double>{2, -3}, 0.0));
      EXPECT_TRUE(close_to(run(with_relu, {a, b, bias}), std::vector<double>{2, 0}, 0.0));
    }
  }
}

TEST(Matmul, NanAndInfinityReachTheResult) {
  const Tensor a = Tensor::from(std::vector<float>{NAN, INFINITY, -INFINITY, 2}, {4, 1});
  const Tensor b = Tensor::from(std::vector<float>{1, -1}, {1, 2});
  const std::vector<double> want{NAN, NAN, INFINITY, -INFINITY, -INFINITY, INFINITY, 2, -2};
  const std::vector<double> want_positive{NAN, NAN, INFINITY, 0, 0, INFINITY, 2, 0};
  const MatmulOp op({}), with_relu({}, Activation::relu);
  for (const Device& device : test_devices()) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      const std::vector<Tensor> inputs{a.to(dtype), b.to(dtype)};
      EXPECT_TRUE(close_to(run_alone(op, inputs, {}, device), want, 0.0)) << device;
      EXPECT_TRUE(close_to(run_alone(with_relu, inputs, {}, device), want_positive, 0.0)) << device;
    }
  }
}

TEST(Matmul, SameBitsInEveryRun) {
  for (const Device& device : test_devices()) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      const Tensor a = random_tensor({100, 700}, dtype, 1), b = random_tensor({90, 700}, dtype, 2);
      const MatmulOp op({.transpose_b = true, .f32_output = true});
      const Tensor first = run_alone(op, {a, b}, {}, device);
      EXPECT_EQ(first.dtype(), DType::f32);
      for (int run = 0; run < 3; ++run) {
        EXPECT_TRUE(same_bits(first, run_alone(op, {a, b}, {}, device))) << device;
      }
    }
  }
}

TEST(Matmul, RefusesWhatDoesNotFit) {
  Graph graph;
  const Value a = graph.input("a", {4, 6}), b = graph.input("b", {5, 7});
  EXPECT_THAT(error_of([&] { matmul(a, b); }),
              HasSubstr("matmul: a [4, 6] has 6 columns, b [5, 7] has 5 rows"));
  EXPECT_THAT(error_of([&] { matmul(a, b, {.transpose_a = true, .transpose_b = true}); }),
              HasSubstr("a [4, 6] transposed has 4 columns, b [5, 7] transposed has 7 rows"));
  const Value cube = graph.input("cube", {6, 2, 2}), b16 = graph.input("b16", {6, 2}, DType::bf16);
  EXPECT_THAT(error_of([&] { matmul(a, cube); }), HasSubstr("b [6, 2, 2] must be matrices"));
  EXPECT_THAT(error_of([&] { matmul(a, b16); }), HasSubstr("b bf16[6, 2] with a f32[4, 6]"));
  const Value labels = graph.input("labels", {4, 6}, DType::i32);
  EXPECT_THAT(error_of([&] { matmul(labels, b); }), HasSubstr("i32[4, 6] is not floating-point"));
}

}  // namespace
}  // namespace engine
