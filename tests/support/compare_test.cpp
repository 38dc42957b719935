#include "tests/support/compare.h"

#include <limits>

namespace engine {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

Tensor tensor_of(const std::vector<float>& values) {
  return Tensor::from(values, {static_cast<std::int64_t>(values.size())});
}

TEST(Compare, TakesWhatLiesWithinTheBound) {
  EXPECT_TRUE(close_to(tensor_of({1, 2}), std::vector<double>{1.5, 2}, 0.5));
  EXPECT_FALSE(close_to(tensor_of({1, 2}), std::vector<double>{1.5, 2}, 0.25));
}

TEST(Compare, NanIsGoodOnlyWhereWanted) {
  const auto nan = static_cast<float>(kNan);
  EXPECT_FALSE(close_to(tensor_of({nan}), std::vector<double>{0}, kInfinity));
  EXPECT_FALSE(close_to(tensor_of({0}), std::vector<double>{kNan}, 1));
  EXPECT_TRUE(close_to(tensor_of({nan}), std::vector<double>{kNan}, 0.0));
  EXPECT_FALSE(close_to(tensor_of({1}), std::vector<double>{0}, kNan));
}

TEST(Compare, InfinityIsGoodOnlyWhereWanted) {
  const auto infinity = static_cast<float>(kInfinity);
  EXPECT_TRUE(close_to(tensor_of({infinity}), std::vector<double>{kInfinity}, 0.0));
  EXPECT_FALSE(close_to(tensor_of({-infinity}), std::vector<double>{kInfinity}, kInfinity));
  EXPECT_FALSE(close_to(tensor_of({3e38f}), std::vector<double>{kInfinity}, kInfinity));
}

TEST(Compare, FailsOnAnotherSizeAndOnNothing) {
  EXPECT_FALSE(close_to(tensor_of({1, 2}), std::vector<double>{1}, 1.0));
  EXPECT_FALSE(close_to(tensor_of({1}), std::vector<double>{1}, std::vector<double>{1, 1}));
  EXPECT_FALSE(close_to(tensor_of({}), std::vector<double>{}, 1.0));
  EXPECT_FALSE(close_to(Tensor(), std::vector<double>{}, 1.0));
}

TEST(Compare, NamesTheWorstElement) {
  const auto result = close_to(tensor_of({1, 9, 3}), std::vector<double>{1.5, 2, 3}, 0.25);
  const std::string message = result.message();
  EXPECT_NE(message.find("2 of 3 differ; worst at 1"), std::string::npos) << message;
  EXPECT_NE(message.find("got 9, want 2, bound 0.25"), std::string::npos) << message;
}

TEST(Compare, SameBitsTellsSignsOfZeroAndTypesApart) {
  EXPECT_TRUE(same_bits(tensor_of({1, 2}), tensor_of({1, 2})));
  EXPECT_FALSE(same_bits(tensor_of({0.0f}), tensor_of({-0.0f})));
  EXPECT_FALSE(same_bits(tensor_of({1}), tensor_of({1, 1})));
  EXPECT_FALSE(same_bits(tensor_of({1}), tensor_of({1}).to(DType::bf16)));
}

}  // namespace
}  // namespace engine
