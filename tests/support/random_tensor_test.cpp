#include "tests/support/random_tensor.h"

#include <set>

#include <gtest/gtest.h>

#include "tests/support/compare.h"

namespace engine {
namespace {

TEST(RandomTensor, SameSeedSameNumbers) {
  EXPECT_TRUE(
      same_bits(random_tensor({5, 7}, DType::f32, 3), random_tensor({5, 7}, DType::f32, 3)));
  EXPECT_FALSE(
      same_bits(random_tensor({5, 7}, DType::f32, 3), random_tensor({5, 7}, DType::f32, 4)));
}

TEST(RandomTensor, StaysInItsRange) {
  for (float value : random_tensor({1000}, DType::bf16, 1, {2, 4}).to_floats()) {
    EXPECT_GE(value, 2);
    EXPECT_LE(value, 4);
  }
  for (float value : random_tensor({1000}, DType::i32, 1, {0, 3}).to_floats()) {
    EXPECT_TRUE(value == 0 || value == 1 || value == 2) << value;
  }
}

TEST(RandomTensor, DistinctNumbersAreDistinct) {
  const std::vector<float> values = distinct_tensor({11, 91}, DType::f32, 1).to_floats();
  EXPECT_EQ(std::set<float>(values.begin(), values.end()).size(), 1001u);
}

}  // namespace
}  // namespace engine
