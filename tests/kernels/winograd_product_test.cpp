#include "engine/kernels/cpu/winograd_product.h"

#include <vector>

#include <gtest/gtest.h>

namespace engine::cpu::winograd {
namespace {

// Small whole numbers, whose sums are exact.
std::vector<float> numbers(std::int64_t count, int seed) {
  std::vector<float> values(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) {
    values[i] = static_cast<float>((i * 7 + seed) * 5 % 13 - 6);
  }
  return values;
}

float expected(const Factor& a, const std::vector<float>& b, std::int64_t k, std::int64_t row,
               std::int64_t column) {
  float sum = 0;
  for (std::int64_t i = 0; i < k; ++i) {
    sum += a.data[row * a.row + i * a.column] * b[i * kPanel + column];
  }
  return sum;
}

// For every number of rows up to a few parts, with `a` by rows and by columns, y = a b and then
// y += a b; what lies behind the spare rows stays as it is.
TEST(WinogradProduct, IsThatOfMatrices) {
  constexpr std::int64_t k = 12;
  for (std::int64_t rows = 1; rows <= 48; ++rows) {
    const std::int64_t held = rows + kSpareRows;
    const std::vector<float> data = numbers(held * (k + 1) + held, static_cast<int>(rows));
    const std::vector<float> b = numbers(k * kPanel, 3);
    for (const Factor& a : {Factor{data.data(), k + 1, 1}, Factor{data.data(), 1, held}}) {
      std::vector<float> y((held + 1) * kPanel, 100.0f);
      multiply_panel(a, rows, b.data(), k, false, y.data());
      multiply_panel(a, rows, b.data(), k, true, y.data());
      const std::int64_t touched = rows % 8 == 0 ? rows : held;
      for (std::int64_t i = 0; i < static_cast<std::int64_t>(y.size()); ++i) {
        const std::int64_t row = i / kPanel, column = i % kPanel;
        if (row < rows) {
          ASSERT_EQ(y[i], 2 * expected(a, b, k, row, column)) << rows << " rows, element " << i;
        } else if (row >= touched) {
          ASSERT_EQ(y[i], 100.0f) << rows << " rows, element " << i;
        }
      }
    }
  }
}

}  // namespace
}  // namespace engine::cpu::winograd
