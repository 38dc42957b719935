// The reference of engine_bench, one element at a time, against that of the kernel tests.
#include "bench/engine_bench/definition.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "bench/engine_bench/shapes.h"
#include "tests/reference/conv2d.h"

namespace engine::bench {
namespace {

std::vector<float> numbers(std::int64_t count, unsigned state) {
  std::vector<float> values;
  for (std::int64_t i = 0; i < count; ++i) {
    state = state * 1664525u + 1013904223u;
    values.push_back(static_cast<float>(state >> 8) * 0x1p-23f - 1);
  }
  return values;
}

std::vector<double> in_double(const std::vector<float>& values) {
  return {values.begin(), values.end()};
}

void expect_equal(const Conv2dProblem& p, Pass pass, const std::vector<float>& first,
                  const std::vector<float>& second, const std::vector<double>& want) {
  std::int64_t most = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    const Expected got = conv2d_element(p, pass, first, second, static_cast<std::int64_t>(i));
    // Two orders of summation in double.
    ASSERT_NEAR(got.value, want[i], 1e-12 * (1 + got.magnitude)) << name_of(pass) << ' ' << i;
    EXPECT_GE(got.magnitude, std::abs(got.value) - 1e-12);
    most = std::max(most, got.terms);
  }
  EXPECT_LE(most, conv2d_terms(p, pass));
  EXPECT_GT(most, 0);
}

class Definitions : public testing::TestWithParam<const char*> {};

TEST_P(Definitions, AgreeWithTheReference) {
  const Conv2dProblem p = parse_conv_shapes(GetParam())[0];
  const Conv2dGeometry& g = p.geometry;
  const reference::Conv2dCase c{.n = p.n,
                                .h = p.ih,
                                .w = p.iw,
                                .in_channels = p.ic,
                                .out_channels = p.oc,
                                .kh = p.kh,
                                .kw = p.kw,
                                .stride_h = g.stride.h,
                                .stride_w = g.stride.w,
                                .padding_h = g.padding.h,
                                .padding_w = g.padding.w,
                                .dilation_h = g.dilation.h,
                                .dilation_w = g.dilation.w,
                                .groups = g.groups};
  const auto x = numbers(c.x_size(), 1), w = numbers(c.w_size(), 2), dy = numbers(c.y_size(), 3);
  expect_equal(p, Pass::forward, x, w, reference::conv2d(c, in_double(x), in_double(w)));
  expect_equal(p, Pass::backward_data, dy, w,
               reference::conv2d_backward_data(c, in_double(dy), in_double(w)));
  expect_equal(p, Pass::backward_weights, x, dy,
               reference::conv2d_backward_weights(c, in_double(x), in_double(dy)));
}

INSTANTIATE_TEST_SUITE_P(Table, Definitions,
                         testing::Values("n=2,h=5,w=7,c=3,k=4,r=3",
                                         "n=1,h=9,w=6,c=4,k=6,r=3,s=2,pad=1,stride=2,stride_w=1",
                                         "n=2,h=7,c=4,k=8,r=3,groups=4",
                                         "n=1,h=8,c=2,k=3,r=3,pad=2,dilation=2,stride=3",
                                         "n=3,h=4,c=5,k=2,r=1",
                                         "n=1,h=1,w=20,c=2,k=3,r=1,s=5,pad=0,stride=1,stride_w=4"));

TEST(ErrorsOf, CountsShareAndRelativeError) {
  const std::vector<Expected> want = {{.value = 3, .magnitude = 3, .terms = 2},
                                      {.value = -4, .magnitude = 4, .terms = 2}};
  const double root = std::sqrt(12.5);
  const double bound = 4 * 0x1p-24 * 4 + 0x1p-24 * 4;
  const Errors errors = errors_of({3, -4 + bound / 2}, want, MathMode::f32, DType::f32);
  EXPECT_NEAR(errors.share_of_bound, 0.5, 1e-9);
  EXPECT_NEAR(errors.relative, bound / 2 / root, 1e-15);
}

TEST(ErrorsOf, AnExactOutputHasNoBoundToUse) {
  const std::vector<Expected> zero = {{.value = 0}};
  EXPECT_EQ(errors_of({0}, zero, MathMode::f32, DType::f32).share_of_bound, 0);
  EXPECT_GT(errors_of({1e-30}, zero, MathMode::f32, DType::f32).share_of_bound, 1e300);
}

TEST(ErrorsOf, NaNAndInfinityAreInfiniteErrors) {
  const std::vector<Expected> want = {{.value = 1, .magnitude = 1, .terms = 1}};
  for (const double bad : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    const Errors errors = errors_of({bad}, want, MathMode::bf16, DType::bf16);
    EXPECT_TRUE(std::isinf(errors.share_of_bound));
    EXPECT_TRUE(std::isinf(errors.relative));
  }
  EXPECT_THROW(errors_of({1, 2}, want, MathMode::f32, DType::f32), InvalidArgument);
  EXPECT_THROW(errors_of({}, {}, MathMode::f32, DType::f32), InvalidArgument);
}

TEST(ErrorsOf, TheBoundIsThatOfTheMode) {
  const Expected want{.value = 2, .magnitude = 3, .terms = 6};
  const double f32 = 8 * 0x1p-24 * 3, units = 8 * 0x1p-22 * 3;
  EXPECT_DOUBLE_EQ(error_bound(want, MathMode::f32, DType::f32), f32 + 0x1p-23);
  EXPECT_DOUBLE_EQ(error_bound(want, MathMode::tf32, DType::f32), units + 0x1p-23);
  EXPECT_DOUBLE_EQ(error_bound(want, MathMode::bf16, DType::bf16), units + 0x1p-7);
  EXPECT_DOUBLE_EQ(error_bound(want, MathMode::f16, DType::f16), units + 0x1p-10);
  // Half the distance of f16's numbers below 2^-14.
  EXPECT_DOUBLE_EQ(error_bound({.value = 1e-9}, MathMode::f16, DType::f16), 0x1p-25);
}

TEST(MathModes, FactorsAreWhatTheUnitsSee) {
  const float third = 1 / 3.0f;
  EXPECT_EQ(rounded_to(MathMode::f32, third), third);
  EXPECT_EQ(rounded_to(MathMode::tf32, third), 1365 * 0x1p-12f);  // 11 significant bits
  EXPECT_EQ(rounded_to(MathMode::f16, third), 1365 * 0x1p-12f);
  EXPECT_EQ(rounded_to(MathMode::bf16, third), 171 * 0x1p-9f);
  EXPECT_EQ(rounded_to(MathMode::tf32, 1 + 0x1p-11f), 1 + 0x1p-10f);  // halves away from zero
  EXPECT_EQ(rounded_to(MathMode::tf32, -1 - 0x1p-11f), -1 - 0x1p-10f);
  EXPECT_EQ(rounded_to(MathMode::tf32, 1 + 0x1p-12f), 1);
  EXPECT_EQ(rounded_to(MathMode::tf32, 0), 0);
  EXPECT_TRUE(std::isnan(rounded_to(MathMode::tf32, std::nanf(""))));
  EXPECT_TRUE(std::isinf(rounded_to(MathMode::tf32, -std::numeric_limits<float>::infinity())));
}

TEST(MathModes, TheCpuHasNeitherTf32NorF16) {
  const Device cpu = Device::cpu({.threads = 1});
  EXPECT_TRUE(can_compute(cpu, MathMode::f32));
  EXPECT_TRUE(can_compute(cpu, MathMode::bf16));  // the ops say what an old processor lacks
  EXPECT_FALSE(can_compute(cpu, MathMode::tf32));
  EXPECT_FALSE(can_compute(cpu, MathMode::f16));
}

TEST(SampleElements, CoversTheRangeOnceAscending) {
  EXPECT_EQ(sample_elements(3, 8), (std::vector<std::int64_t>{0, 1, 2}));
  for (const std::int64_t count : {9, 10, 1000, 1 << 30}) {
    const auto elements = sample_elements(count, 8);
    ASSERT_EQ(elements.size(), 8u);
    EXPECT_EQ(elements.front(), 0);
    EXPECT_EQ(elements.back(), count - 1);
    for (std::size_t i = 1; i < elements.size(); ++i) EXPECT_LT(elements[i - 1], elements[i]);
  }
}

}  // namespace
}  // namespace engine::bench
