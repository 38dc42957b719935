#include "engine/kernels/conv2d_choice.h"

#include <gtest/gtest.h>

#include "engine/core/errors.h"

namespace engine::cuda {
namespace {

constexpr Gpu kA100 = {.capability = 80, .multiprocessors = 108};

Conv2dProblem problem(const Shape& x, const Shape& w, const Conv2dGeometry& geometry = {}) {
  return conv2d_problem("conv2d", x, w, geometry);
}

std::string choice(Conv2dDirection direction, const Conv2dProblem& p, DType dtype) {
  return join(choose_conv2d(direction, p, dtype, kA100));
}

TEST(Conv2dChoice, DirectionsAreProducts) {
  const Conv2dProblem p = problem({4, 9, 8, 6}, {10, 3, 2, 3}, {.stride = 2, .groups = 2});
  const auto text = [&](Conv2dDirection direction) {
    const Conv2dProducts products = conv2d_products(direction, p);
    return join(direction, ' ', products.m, ' ', products.n, ' ', products.k, " x", products.count);
  };
  EXPECT_EQ(text(Conv2dDirection::forward), "forward 64 5 18 x2");
  EXPECT_EQ(text(Conv2dDirection::backward_data), "backward_data 288 3 30 x2");
  EXPECT_EQ(text(Conv2dDirection::backward_weights), "backward_weights 5 18 64 x2");
}

TEST(Conv2dChoice, F32IsPlain) {
  const Conv2dProblem p = problem({64, 32, 32, 64}, {64, 3, 3, 64}, {.padding = 1});
  EXPECT_EQ(choice(Conv2dDirection::forward, p, DType::f32), "plain 64x64");
  EXPECT_EQ(choice(Conv2dDirection::backward_data, p, DType::f32), "plain 64x64");
  EXPECT_EQ(choice(Conv2dDirection::backward_weights, p, DType::f32), "plain 64x64 splits=48");
}

TEST(Conv2dChoice, PlainSplitsOnlyLongSums) {
  const Shape w = {64, 3, 3, 64};
  const auto plain = [&](std::int64_t images) {
    return choice(Conv2dDirection::backward_weights, problem({images, 8, 8, 64}, w, {.padding = 1}),
                  DType::f32);
  };
  EXPECT_EQ(plain(0), "plain 64x64");
  EXPECT_EQ(plain(4), "plain 64x64");
  EXPECT_EQ(plain(8), "plain 64x64 splits=2");
  EXPECT_EQ(plain(100000), "plain 64x64 splits=48");
}

}  // namespace
}  // namespace engine::cuda
