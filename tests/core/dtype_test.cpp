#include "engine/core/dtype.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace engine {
namespace {

// The nearest value of a format with `fraction` bits, ties to even, by double arithmetic.
double rounded(double value, int fraction, int smallest_exponent, double largest) {
  if (value == 0 || !std::isfinite(value)) return value;
  const int exponent = std::max(std::ilogb(value), smallest_exponent);
  const double unit = std::ldexp(1.0, exponent - fraction);
  const double result = std::nearbyint(value / unit) * unit;
  return std::fabs(result) > largest ? std::copysign(INFINITY, value) : result;
}

TEST(DType, NamesAndSizes) {
  EXPECT_EQ(name_of(DType::bf16), "bf16");
  EXPECT_EQ(name_of(DType::boolean), "bool");
  EXPECT_EQ(size_of(DType::f32), 4);
  EXPECT_EQ(size_of(DType::f16), 2);
  EXPECT_FALSE(is_floating_point(DType::i32));
}

TEST(Float16, EveryBitPatternSurvivesTheRoundTrip) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    Float16 half;
    half.bits = static_cast<std::uint16_t>(bits);
    const auto value = static_cast<float>(half);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(static_cast<float>(Float16(value)))) << bits;
    } else {
      ASSERT_EQ(Float16(value).bits, bits);
    }
  }
}

TEST(Float16, RoundsToNearestEven) {
  for (std::uint32_t word = 0x33000000u; word < 0x48000000u; word += 977) {
    const auto value = std::bit_cast<float>(word);
    ASSERT_EQ(static_cast<float>(Float16(value)), rounded(value, 10, -14, 65504)) << value;
    ASSERT_EQ(static_cast<float>(Float16(-value)), rounded(-value, 10, -14, 65504)) << -value;
  }
}

TEST(BFloat16, RoundsToNearestEven) {
  for (std::uint64_t word = 0; word < 0x7f800000u; word += 9973) {
    const auto value = std::bit_cast<float>(static_cast<std::uint32_t>(word));
    const double want = rounded(value, 7, -126, 3.3895313892515355e38);
    ASSERT_EQ(static_cast<float>(BFloat16(value)), static_cast<float>(want)) << value;
  }
}

TEST(BFloat16, NanStaysNan) {
  // The lower half alone makes this a NaN: truncation would give infinity.
  const auto value = std::bit_cast<float>(0x7f800001u);
  EXPECT_TRUE(std::isnan(static_cast<float>(BFloat16(value))));
  EXPECT_TRUE(std::isinf(static_cast<float>(BFloat16(INFINITY))));
}

}  // namespace
}  // namespace engine
