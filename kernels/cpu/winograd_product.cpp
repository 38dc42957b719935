#include "engine/kernels/cpu/winograd_product.h"

#include <algorithm>

#include "engine/kernels/cpu/lanes.h"

namespace engine::cpu::winograd {
namespace {

// With AVX-512 the sums of 14 rows take 28 of the 32 registers; from 8 rows on there are sums
// enough to hide the latency of an addition.
constexpr std::int64_t kMostRows = 14, kFewestRows = 8;
static_assert(kFewestRows - 1 == kSpareRows);

constexpr std::int64_t kUnroll = 4;
constexpr std::int64_t kPrefetch = 16 * kPanel;  // floats ahead

template <int kRows, bool kByColumns>
ENGINE_ALWAYS_INLINE void multiply_rows(const Factor& a, const float* b, std::int64_t k, bool adds,
                                        float* y) {
  const float* factors = a.data;
  const std::int64_t row_stride = kByColumns ? 1 : a.row, stride = kByColumns ? a.column : 1;
  Lanes sums[kRows][2] = {};
  if (adds) {
#pragma GCC unroll 14
    for (int row = 0; row < kRows; ++row) {
      load_lanes(y + row * kPanel, sums[row][0]);
      load_lanes(y + row * kPanel + kLanes, sums[row][1]);
    }
  }
  for (std::int64_t first = 0; first < k; first += kUnroll) {
#pragma GCC unroll 4
    for (std::int64_t i = first; i < first + kUnroll; ++i) {
      Lanes left, right;
      load_lanes(b + i * kPanel, left);
      load_lanes(b + i * kPanel + kLanes, right);
      __builtin_prefetch(b + i * kPanel + kPrefetch);
      __builtin_prefetch(b + i * kPanel + kPrefetch + kLanes);
#pragma GCC unroll 14
      for (int row = 0; row < kRows; ++row) {
        const float factor = factors[row * row_stride + i * stride];
        sums[row][0] += factor * left;
        sums[row][1] += factor * right;
      }
    }
  }
#pragma GCC unroll 14
  for (int row = 0; row < kRows; ++row) {
    store_lanes(sums[row][0], y + row * kPanel);
    store_lanes(sums[row][1], y + row * kPanel + kLanes);
  }
}

template <bool kByColumns>
ENGINE_ALWAYS_INLINE void choose_rows(const Factor& a, std::int64_t rows, const float* b,
                                      std::int64_t k, bool adds, float* y) {
  switch (rows) {
    case 14:
      return multiply_rows<14, kByColumns>(a, b, k, adds, y);
    case 13:
      return multiply_rows<13, kByColumns>(a, b, k, adds, y);
    case 12:
      return multiply_rows<12, kByColumns>(a, b, k, adds, y);
    case 11:
      return multiply_rows<11, kByColumns>(a, b, k, adds, y);
    case 10:
      return multiply_rows<10, kByColumns>(a, b, k, adds, y);
    case 9:
      return multiply_rows<9, kByColumns>(a, b, k, adds, y);
    default:
      return multiply_rows<kFewestRows, kByColumns>(a, b, k, adds, y);
  }
}

ENGINE_CPU_CLONES void multiply_by_rows(const Factor& a, std::int64_t rows, const float* b,
                                        std::int64_t k, bool adds, float* y) {
  choose_rows<false>(a, rows, b, k, adds, y);
}
ENGINE_CPU_CLONES void multiply_by_columns(const Factor& a, std::int64_t rows, const float* b,
                                           std::int64_t k, bool adds, float* y) {
  choose_rows<true>(a, rows, b, k, adds, y);
}

}  // namespace

void multiply_panel(const Factor& a, std::int64_t rows, const float* b, std::int64_t k, bool adds,
                    float* y) {
  const auto multiply = a.column == 1 ? multiply_by_rows : multiply_by_columns;
  Factor part = a;
  // Parts of nearly equal size; the larger ones first, so that only the last has spare rows.
  for (std::int64_t parts = ceil_div(rows, kMostRows); parts > 0; --parts) {
    const std::int64_t count = ceil_div(rows, parts);
    multiply(part, count, b, k, adds, y);
    part.data += count * part.row;
    y += count * kPanel;
    rows -= count;
  }
}

}  // namespace engine::cpu::winograd
