#include "engine/kernels/conv2d_choice.h"

#include <gtest/gtest.h>

#include "engine/core/errors.h"

namespace engine::cuda {
namespace {

constexpr Gpu kA100 = {.capability = 80, .multiprocessors = 108, .shared_kib = 164};
constexpr Gpu kH100 = {.capability = 90, .multiprocessors = 132, .shared_kib = 228};

Conv2dProblem problem(const Shape& x, const Shape& w, const Conv2dGeometry& geometry = {}) {
  return conv2d_problem("conv2d", x, w, geometry);
}

std::string choice(Conv2dDirection direction, const Conv2dProblem& p, DType dtype) {
  return join(choose_conv2d({direction, p, dtype, kA100}));
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
  EXPECT_EQ(choice(Conv2dDirection::backward_weights, p, DType::f32), "plain 64x64, 48 splits");
}

// Channels in fours; half as many terms a step, and one block of the largest tile where operands
// are read by words.
TEST(Conv2dChoice, Tf32WhereItIsAllowed) {
  const auto tf32 = [](Conv2dDirection direction, const Conv2dProblem& p) {
    return join(choose_conv2d({direction, p, DType::f32, kA100, true}));
  };
  const auto forward = Conv2dDirection::forward, data = Conv2dDirection::backward_data,
             weights = Conv2dDirection::backward_weights;
  const Conv2dProblem p = problem({64, 32, 32, 64}, {64, 3, 3, 64}, {.padding = 1});
  EXPECT_EQ(tf32(forward, p), "mma 128x64");
  EXPECT_EQ(tf32(data, p), "mma 128x64");
  EXPECT_EQ(tf32(weights, p).substr(0, 3), "mma");
  const Conv2dProblem large = problem({128, 56, 56, 128}, {256, 3, 3, 128}, {.padding = 1});
  EXPECT_EQ(tf32(forward, large), "mma 128x128");
  EXPECT_EQ(tf32(data, large), "mma 128x128");
  const Conv2dProblem fours = problem({4, 8, 8, 12}, {20, 3, 3, 12});
  EXPECT_EQ(tf32(weights, fours).substr(0, 3), "mma");
  EXPECT_EQ(tf32(forward, problem({4, 8, 8, 6}, {8, 3, 3, 6})), "plain 64x64");
  EXPECT_EQ(tf32(forward, problem({4, 8, 8, 3}, {8, 3, 3, 3})), "few_channels");
}

TEST(Conv2dChoice, PlainSplitsOnlyLongSums) {
  const Shape w = {64, 3, 3, 64};
  const auto plain = [&](std::int64_t images) {
    return choice(Conv2dDirection::backward_weights, problem({images, 8, 8, 64}, w, {.padding = 1}),
                  DType::f32);
  };
  EXPECT_EQ(plain(0), "plain 64x64");
  EXPECT_EQ(plain(4), "plain 64x64");
  EXPECT_EQ(plain(8), "plain 64x64, 2 splits");
  EXPECT_EQ(plain(100000), "plain 64x64, 48 splits");
}

TEST(Conv2dChoice, TensorCoresTakeNarrowTypesAndChannelsInEights) {
  const auto algorithm = [&](Conv2dDirection direction, std::int64_t ic, std::int64_t oc,
                             std::int64_t groups, DType dtype) {
    const Conv2dProblem p =
        problem({4, 8, 8, ic}, {oc, 3, 3, ic / groups}, {.padding = 1, .groups = groups});
    return join(choose_conv2d({direction, p, dtype, kA100}).algorithm);
  };
  const auto forward = Conv2dDirection::forward, data = Conv2dDirection::backward_data,
             weights = Conv2dDirection::backward_weights;
  EXPECT_EQ(algorithm(forward, 8, 10, 1, DType::bf16), "mma");
  EXPECT_EQ(algorithm(forward, 8, 10, 1, DType::f16), "mma");
  EXPECT_EQ(algorithm(forward, 8, 10, 1, DType::f32), "plain");
  EXPECT_EQ(algorithm(data, 8, 10, 1, DType::bf16), "plain");
  EXPECT_EQ(algorithm(weights, 8, 10, 1, DType::bf16), "plain");
  EXPECT_EQ(algorithm(data, 8, 16, 1, DType::bf16), "mma");
  EXPECT_EQ(algorithm(weights, 8, 16, 1, DType::bf16), "mma");
  EXPECT_EQ(algorithm(forward, 4, 16, 1, DType::bf16), "few_channels");
  EXPECT_EQ(algorithm(data, 4, 16, 1, DType::bf16), "few_channels");
  EXPECT_EQ(algorithm(data, 4, 16, 1, DType::f16), "plain");
  EXPECT_EQ(algorithm(forward, 4, 16, 1, DType::f16), "plain");
  EXPECT_EQ(algorithm(forward, 16, 16, 16, DType::bf16), "depthwise");
  EXPECT_EQ(algorithm(forward, 16, 16, 2, DType::bf16), "mma");
  EXPECT_EQ(algorithm(forward, 16, 16, 4, DType::bf16), "plain");
}

TEST(Conv2dChoice, TilesFollowTheProblem) {
  const auto mma = [&](Conv2dDirection direction, std::int64_t n, std::int64_t size,
                       std::int64_t ic, std::int64_t oc) {
    return choice(direction, problem({n, size, size, ic}, {oc, 3, 3, ic}, {.padding = 1}),
                  DType::bf16);
  };
  const auto forward = Conv2dDirection::forward, data = Conv2dDirection::backward_data,
             weights = Conv2dDirection::backward_weights;
  // Many tiles: the largest; few filters: a narrow one; small images: small ones, and splits.
  EXPECT_EQ(mma(forward, 128, 56, 128, 256), "mma 128x128");
  EXPECT_EQ(mma(data, 128, 56, 128, 256), "mma 128x128");
  EXPECT_EQ(mma(forward, 128, 56, 64, 64), "mma 128x64");
  EXPECT_EQ(mma(forward, 128, 64, 32, 32), "mma 128x32");
  EXPECT_EQ(mma(forward, 1, 14, 512, 512), "mma 128x128, 12 splits");
  EXPECT_EQ(mma(forward, 16, 7, 512, 512), "mma 64x64, 3 splits");
  EXPECT_EQ(mma(weights, 16, 28, 256, 512), "mma 128x128, 3 splits");
  EXPECT_EQ(mma(weights, 64, 32, 64, 64), "mma 64x64, 32 splits");
}

// A GPU of 8.6 runs the code for 8.0, with fewer blocks at a time.
TEST(Conv2dChoice, SharedMemoryIsThatOfTheGpu) {
  const auto with = [](int shared_kib, Conv2dDirection direction, const Conv2dProblem& p) {
    const Gpu gpu{.capability = 80, .multiprocessors = 108, .shared_kib = shared_kib};
    return join(choose_conv2d({direction, p, DType::bf16, gpu}));
  };
  const Conv2dProblem deep = problem({1, 14, 14, 512}, {512, 3, 3, 512}, {.padding = 1});
  EXPECT_EQ(with(100, Conv2dDirection::forward, deep), "mma 128x64, 6 splits");
  EXPECT_EQ(with(164, Conv2dDirection::forward, deep), "mma 128x128, 12 splits");
  const Conv2dProblem wide = problem({64, 32, 32, 64}, {64, 3, 3, 64}, {.padding = 1});
  EXPECT_EQ(with(100, Conv2dDirection::backward_weights, wide), "mma 64x64, 24 splits");
  EXPECT_EQ(with(164, Conv2dDirection::backward_weights, wide), "mma 64x64, 32 splits");
}

TEST(Conv2dChoice, WgmmaOnHopper) {
  const auto h100 = [](const Conv2dProblem& p, DType dtype = DType::bf16,
                       Conv2dDirection direction = Conv2dDirection::forward) {
    return join(choose_conv2d({direction, p, dtype, kH100}));
  };
  const auto same = [](std::int64_t n, std::int64_t size, std::int64_t ic, std::int64_t oc) {
    return problem({n, size, size, ic}, {oc, 3, 3, ic}, {.padding = 1});
  };
  EXPECT_EQ(h100(same(128, 56, 128, 256)), "wgmma 128x256");
  EXPECT_EQ(h100(same(128, 56, 128, 128)), "wgmma 128x128");
  EXPECT_EQ(h100(same(128, 56, 64, 64)), "wgmma 128x64");
  EXPECT_EQ(h100(same(1, 14, 512, 512)).substr(0, 3), "mma");  // too few tiles
  EXPECT_EQ(h100(same(128, 56, 128, 256), DType::f16).substr(0, 3), "mma");
  EXPECT_EQ(h100(same(128, 56, 128, 256), DType::bf16, Conv2dDirection::backward_data).substr(0, 3),
            "mma");
  const Conv2dGeometry stride_2{.stride = 2, .padding = 1};
  EXPECT_EQ(h100(problem({128, 56, 56, 64}, {128, 3, 3, 64}, stride_2)), "wgmma 128x128");
  EXPECT_EQ(h100(problem({128, 55, 55, 64}, {128, 3, 3, 64}, stride_2)).substr(0, 3), "mma");
  EXPECT_EQ(h100(problem({128, 56, 56, 32}, {128, 3, 3, 32}, stride_2)).substr(0, 3), "mma");
  EXPECT_EQ(
      h100(problem({128, 56, 56, 64}, {64, 3, 3, 32}, {.padding = 1, .groups = 2})).substr(0, 3),
      "mma");
}

}  // namespace
}  // namespace engine::cuda
