#include "engine/core/init.h"

#include <cmath>

#include <gtest/gtest.h>

#include "tests/support/compare.h"

namespace engine {
namespace {

TEST(Init, Constants) {
  const Tensor ones = initialize(init::ones(), {3, 5}, DType::f32, 1, "x");
  EXPECT_TRUE(close_to(ones, std::vector<double>(15, 1.0), 0.0));
  const Tensor sevens = initialize(init::constant(7), {4}, DType::i32, 1, "x");
  EXPECT_TRUE(close_to(sevens, std::vector<double>(4, 7.0), 0.0));
}

TEST(Init, Bounds) {
  EXPECT_EQ(init::fan_in_uniform(16), init::uniform(-0.25f, 0.25f));
  EXPECT_EQ(init::he_normal(8), init::normal(0.5f));
  EXPECT_EQ(init::glorot_uniform(2, 4), init::uniform(-1.0f, 1.0f));
  EXPECT_THROW(init::fan_in_uniform(0), InvalidArgument);
}

TEST(Init, MomentsOfUniformAndNormal) {
  const double n = 1 << 18;
  const auto moments = [&](const Init& init) {
    const Tensor tensor = initialize(init, {1 << 18}, DType::f32, 3, "w");
    double sum = 0, squares = 0;
    for (const float value : tensor.to_floats()) {
      sum += value;
      squares += double{value} * value;
    }
    return std::pair(sum / n, squares / n - sum / n * sum / n);
  };
  const auto [uniform_mean, uniform_variance] = moments(init::uniform(-1, 3));
  EXPECT_NEAR(uniform_mean, 1, 5 * std::sqrt(16 / 12.0 / n));
  EXPECT_NEAR(uniform_variance, 16 / 12.0, 0.01);
  const auto [normal_mean, normal_variance] = moments(init::normal(0.5f, -2));
  EXPECT_NEAR(normal_mean, -2, 5 * 0.5 / std::sqrt(n));
  EXPECT_NEAR(normal_variance, 0.25, 0.005);
}

TEST(Init, NumbersDependOnSeedAndNameAlone) {
  const auto make = [](std::uint64_t seed, const char* name, std::int64_t count) {
    return initialize(init::uniform(0, 1), {count}, DType::f32, seed, name);
  };
  EXPECT_TRUE(same_bits(make(1, "a", 100), make(1, "a", 100)));
  EXPECT_TRUE(same_bits(make(1, "a", 100), make(1, "a", 200).rows(0, 100)));
  EXPECT_FALSE(same_bits(make(1, "a", 100), make(1, "b", 100)));
  EXPECT_FALSE(same_bits(make(1, "a", 100), make(2, "a", 100)));
}

TEST(Init, RefusesOtherDtypes) {
  EXPECT_THROW(initialize(init::uniform(0, 1), {2}, DType::i32, 1, "x"), InvalidArgument);
  EXPECT_THROW(initialize(init::zeros(), {2}, DType::bf16, 1, "x"), InvalidArgument);
}

}  // namespace
}  // namespace engine
