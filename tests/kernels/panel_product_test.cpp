#include "engine/kernels/cpu/panel_product.h"

#include <bit>
#include <cmath>
#include <vector>

#include <gtest/gtest.h>

namespace engine::cpu {
namespace {

constexpr std::int64_t kSteps = 12, kStride = kPanel + 5;

// Small whole numbers, whose sums are exact.
float number(std::int64_t i, int seed) {
  return static_cast<float>((i * 7 + seed) * 5 % 13 - 6);
}

std::vector<float> floats(std::int64_t count, int seed) {
  std::vector<float> values;
  for (std::int64_t i = 0; i < count; ++i) values.push_back(number(i, seed));
  return values;
}

std::vector<BFloat16Pair> pairs(std::int64_t count, int seed) {
  std::vector<BFloat16Pair> values;
  for (std::int64_t i = 0; i < count; ++i) {
    values.push_back({BFloat16(number(2 * i, seed)), BFloat16(number(2 * i + 1, seed))});
  }
  return values;
}

float product(float a, float b) {
  return a * b;
}
float product(const BFloat16Pair& a, const BFloat16Pair& b) {
  return static_cast<float>(a.first) * static_cast<float>(b.first) +
         static_cast<float>(a.second) * static_cast<float>(b.second);
}

template <class T>
float expected(const Factor<T>& a, const std::vector<T>& b, std::int64_t row, std::int64_t column) {
  float sum = 0;
  for (std::int64_t i = 0; i < kSteps; ++i) {
    sum += product(a.data[row * a.row + i * a.column], b[i * kPanel + column]);
  }
  return sum;
}

// y = a b and then y += a b; nothing is written beside and below the rows.
template <class T, class Y>
void expect_product(const Factor<T>& a, std::int64_t rows, const std::vector<T>& b) {
  std::vector<Y> y((rows + 1) * kStride, Y(100.0f));
  multiply_panel(a, rows, b.data(), kSteps, {y.data(), kStride, false});
  multiply_panel(a, rows, b.data(), kSteps, {y.data(), kStride, true});
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(y.size()); ++i) {
    const std::int64_t row = i / kStride, column = i % kStride;
    float want = 100;
    if (row < rows && column < kPanel) {
      const float once = expected(a, b, row, column);
      want = static_cast<float>(Y(static_cast<float>(Y(once)) + once));
    }
    ASSERT_EQ(static_cast<float>(y[i]), want) << rows << " rows, element " << i;
  }
}

// Every number of rows up to a few parts, with `a` by rows and by columns.
TEST(PanelProduct, OfFloats) {
  for (std::int64_t rows = 1; rows <= 48; ++rows) {
    const std::vector<float> data = floats(rows * (kSteps + 1), static_cast<int>(rows));
    const std::vector<float> b = floats(kSteps * kPanel, 3);
    expect_product<float, float>({data.data(), kSteps + 1, 1}, rows, b);
    expect_product<float, float>({data.data(), 1, rows}, rows, b);
  }
}

TEST(PanelProduct, OfPairs) {
  if (!multiplies_pairs_fast()) GTEST_SKIP() << "no dot products of bf16 here, or something faster";
  for (std::int64_t rows = 1; rows <= 48; ++rows) {
    const std::vector<BFloat16Pair> data = pairs(rows * (kSteps + 1), static_cast<int>(rows));
    const std::vector<BFloat16Pair> b = pairs(kSteps * kPanel, 3);
    expect_product<BFloat16Pair, BFloat16>({data.data(), kSteps + 1, 1}, rows, b);
    expect_product<BFloat16Pair, float>({data.data(), 1, rows}, rows, b);
  }
}

// To nearest, ties to even, as BFloat16 itself rounds; NaN stays NaN.
TEST(PanelProduct, RoundsToBf16) {
  if (!multiplies_pairs_fast()) GTEST_SKIP() << "no dot products of bf16 here, or something faster";
  const std::vector<float> sums = {1.00390625f, 1.01171875f, -1.005f, 3.4e38f, NAN, -INFINITY};
  const BFloat16 one(1.0f), zero(0.0f);
  std::vector<BFloat16Pair> a(kProductUnroll, {zero, zero});
  a[0] = {one, one};
  a[1] = {one, zero};
  std::vector<BFloat16Pair> b(kProductUnroll * kPanel, {zero, zero});
  // The sum of three bf16 whose bits overlap nowhere.
  for (std::size_t i = 0; i < sums.size(); ++i) {
    float rest = sums[i];
    BFloat16 parts[3];
    for (BFloat16& part : parts) {
      part = BFloat16(std::bit_cast<float>(std::bit_cast<std::uint32_t>(rest) & 0xffff0000u));
      rest = std::isfinite(rest) ? rest - static_cast<float>(part) : 0;
    }
    b[i] = {parts[0], parts[1]};
    b[kPanel + i] = {parts[2], zero};
  }
  std::vector<BFloat16> y(kPanel);
  multiply_panel(Factor<BFloat16Pair>{a.data(), kProductUnroll, 1}, 1, b.data(), kProductUnroll,
                 ProductRows<BFloat16>{y.data()});
  for (std::size_t i = 0; i < sums.size(); ++i) {
    if (std::isnan(sums[i])) {
      EXPECT_TRUE(std::isnan(static_cast<float>(y[i])));
    } else {
      EXPECT_EQ(y[i].bits, BFloat16(sums[i]).bits) << sums[i];
    }
  }
}

}  // namespace
}  // namespace engine::cpu
