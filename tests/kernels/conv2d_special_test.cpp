// Convolutions for which CUDA has kernels of their own: few input channels, and depthwise.
#include "engine/kernels/conv2d_special.h"

#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "tests/kernels/conv2d_cases.h"

namespace engine {
namespace {

// As in conv2d_cases.h: name, n, h, w, in_channels, out_channels, kh, kw, stride, padding, dilation
// (h, w), groups
const Conv2dCase kFewChannelsCases[] = {
    {"rgb_3x3", 2, 17, 19, 3, 32, 3, 3, 1, 1, 1, 1},
    {"rgb_3x3_64_filters", 1, 9, 33, 3, 64, 3, 3, 1, 1, 1, 1},
    {"rgb_3x3_72_filters", 1, 5, 8, 3, 72, 3, 3, 1, 1, 1, 1},
    {"rgb_3x3_40_filters", 1, 16, 8, 3, 40, 3, 3, 1, 1, 0, 0},
    {"rgb_2x2", 1, 8, 9, 3, 24, 2, 2},
    {"one_channel_5x5", 2, 12, 11, 1, 6, 5, 5, 1, 1, 2, 2},
    {"one_channel_3x3_odd_filters", 1, 9, 6, 1, 13, 3, 3, 1, 1, 1, 1},
    {"two_channels_unequal", 1, 11, 7, 2, 21, 3, 5, 2, 1, 1, 2},
    {"four_channels_7x7_stride_2", 1, 11, 13, 4, 64, 7, 7, 2, 2, 3, 3},
    {"rgb_11x11_stride_4", 1, 11, 15, 3, 33, 11, 11, 4, 4, 2, 2},
    {"rgb_7x7_stride_2", 1, 13, 12, 3, 24, 7, 7, 2, 2, 3, 3},
    {"one_channel_7x7", 1, 9, 10, 1, 16, 7, 7, 1, 1, 3, 3},
    {"one_channel_wide_kernel", 1, 7, 29, 1, 32, 5, 20, 2, 2},
    {"stride_over_kernel", 2, 13, 10, 4, 8, 2, 2, 3, 4},
    {"one_by_one", 1, 5, 6, 3, 40, 1, 1},
    {"padding_beyond_kernel", 2, 3, 3, 4, 4, 2, 2, 1, 1, 3, 3},
    {"one_filter", 1, 6, 5, 3, 1, 3, 3, 1, 1, 1, 1},
    {"many_tiles", 37, 3, 5, 2, 8, 2, 2},
    {"rgb_3x3_130_filters", 1, 5, 6, 3, 130, 3, 3, 1, 1, 1, 1},
    {"empty_batch", 0, 5, 6, 3, 8, 3, 3, 1, 1, 1, 1},
};

// Ten tiles for each of 132 multiprocessors, which have up to six blocks.
const Conv2dCase kManyTilesCases[] = {{"many_tiles", 1320, 3, 5, 2, 8, 2, 2}};

const Conv2dCase kDepthwiseCases[] = {
    {"one_tap", 1, 5, 6, 8, 8, 1, 1, 1, 1, 0, 0, 1, 1, 8},
    {"3x3", 2, 7, 6, 16, 16, 3, 3, 1, 1, 1, 1, 1, 1, 16},
    {"3x3_odd_channels", 2, 5, 9, 7, 7, 3, 3, 1, 1, 1, 1, 1, 1, 7},
    {"two_channels", 1, 4, 5, 2, 2, 3, 3, 1, 1, 0, 0, 1, 1, 2},
    {"264_channels", 1, 3, 4, 264, 264, 3, 3, 1, 1, 1, 1, 1, 1, 264},
    {"stride_2", 2, 9, 8, 24, 24, 3, 3, 2, 2, 1, 1, 1, 1, 24},
    {"stride_2_odd_channels", 2, 9, 7, 5, 5, 3, 3, 2, 2, 1, 1, 1, 1, 5},
    {"unequal", 1, 8, 11, 8, 8, 5, 2, 1, 3, 2, 1, 1, 1, 8},
    {"5x5", 1, 9, 10, 8, 8, 5, 5, 1, 1, 2, 2, 1, 1, 8},
    {"5x5_stride_2_rest", 1, 10, 12, 8, 8, 5, 5, 2, 2, 1, 1, 1, 1, 8},
    {"stride_over_kernel", 1, 10, 9, 8, 8, 2, 2, 3, 4, 0, 0, 1, 1, 8},
    {"padding_beyond_kernel", 1, 3, 2, 8, 8, 2, 2, 1, 1, 3, 3, 1, 1, 8},
    {"many_pixels", 3, 13, 14, 33, 33, 3, 3, 1, 1, 1, 1, 1, 1, 33},
    {"many_pixels_stride_2", 3, 13, 14, 33, 33, 3, 3, 2, 2, 1, 1, 1, 1, 33},
    {"empty_batch", 0, 5, 4, 8, 8, 3, 3, 1, 1, 1, 1, 1, 1, 8},
};

Conv2dProblem problem_of(const Conv2dCase& c) {
  return conv2d_problem("conv2d", x_shape(c), w_shape(c), geometry_of(c));
}

class Conv2dSpecial : public Conv2dTest {
 protected:
  static void expect_close(const Tensor& got, const Shape& shape, const Expected& want) {
    EXPECT_EQ(got.shape(), shape) << got.dtype();
    if (GetParam().n == 0 && shape.elements() == 0) return;
    EXPECT_TRUE(close_to(got, want.values, want.bounds)) << got.dtype();
  }
  static void expect_forward(DType dtype) {
    const Conv2dCase& c = GetParam();
    const Conv2dData data(c, dtype);
    const Tensor bias = random_tensor({c.out_channels}, DType::f32, 4);
    expect_close(run_on(device(), std::make_shared<Conv2dOp>(geometry_of(c)), {data.x, data.w}),
                 y_shape(c), expected_y(c, data));
    expect_close(run_on(device(), std::make_shared<Conv2dOp>(geometry_of(c), Activation::relu),
                        {data.x, data.w, bias}),
                 y_shape(c), expected_relu(c, data, bias));
  }
  static void expect_backward_weights(DType dtype) {
    const Conv2dCase& c = GetParam();
    const Conv2dData data(c, dtype);
    Graph graph;
    graph.output("dw", conv2d_backward_weights(graph.input("x", x_shape(c), dtype),
                                               graph.input("dy", y_shape(c), dtype), w_shape(c),
                                               geometry_of(c)));
    expect_close(interpret(graph, {{"x", data.x}, {"dy", data.dy}}, nullptr, device())[0],
                 w_shape(c), expected_dw(c, data));
  }
  static void expect_backward_data(DType dtype) {
    const Conv2dCase& c = GetParam();
    const Conv2dData data(c, dtype);
    Graph graph;
    graph.output("dx", conv2d_backward_data(graph.input("dy", y_shape(c), dtype),
                                            graph.input("w", w_shape(c), dtype), x_shape(c),
                                            geometry_of(c)));
    expect_close(interpret(graph, {{"dy", data.dy}, {"w", data.w}}, nullptr, device())[0],
                 x_shape(c), expected_dx(c, data));
  }
};

class Conv2dFewChannels : public Conv2dSpecial {};

TEST_P(Conv2dFewChannels, IsTaken) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    for (const auto direction :
         {cuda::Conv2dDirection::forward, cuda::Conv2dDirection::backward_data}) {
      EXPECT_TRUE(cuda::few_channels_takes(direction, problem_of(GetParam()), dtype));
    }
  }
}
TEST_P(Conv2dFewChannels, ForwardMatchesReferenceF32) {
  expect_forward(DType::f32);
}
TEST_P(Conv2dFewChannels, ForwardMatchesReferenceBf16) {
  expect_forward(DType::bf16);
}
TEST_P(Conv2dFewChannels, BackwardDataMatchesReferenceF32) {
  expect_backward_data(DType::f32);
}
TEST_P(Conv2dFewChannels, BackwardDataMatchesReferenceBf16) {
  expect_backward_data(DType::bf16);
}
TEST_P(Conv2dFewChannels, BackwardWeightsMatchReferenceF32) {
  expect_backward_weights(DType::f32);
}
TEST_P(Conv2dFewChannels, BackwardWeightsMatchReferenceBf16) {
  expect_backward_weights(DType::bf16);
}
INSTANTIATE_TEST_SUITE_P(Table, Conv2dFewChannels, on_devices(kFewChannelsCases), device_case_name);
INSTANTIATE_TEST_SUITE_P(Large, Conv2dFewChannels, on_large_gpus(kManyTilesCases),
                         device_case_name);

class Conv2dDepthwise : public Conv2dSpecial {};

TEST_P(Conv2dDepthwise, IsTaken) {
  EXPECT_TRUE(cuda::depthwise_takes(problem_of(GetParam()), DType::f32));
  EXPECT_TRUE(cuda::depthwise_takes(problem_of(GetParam()), DType::bf16));
}
TEST_P(Conv2dDepthwise, ForwardMatchesReference) {
  for (const DType dtype : {DType::f32, DType::bf16}) expect_forward(dtype);
}
TEST_P(Conv2dDepthwise, BackwardDataMatchesReference) {
  for (const DType dtype : {DType::f32, DType::bf16}) expect_backward_data(dtype);
}
TEST_P(Conv2dDepthwise, BackwardWeightsMatchReference) {
  for (const DType dtype : {DType::f32, DType::bf16}) expect_backward_weights(dtype);
}
INSTANTIATE_TEST_SUITE_P(Table, Conv2dDepthwise, on_devices(kDepthwiseCases), device_case_name);

// Beside an image narrower than its tiles, in the gradient of the weights: dy of 0 stands there,
// but x may hold anything.
TEST(Conv2dSpecialValues, FewChannelsSumOnlyPixelsThatExist) {
  const Conv2dCase c{"", 1, 6, 6, 1, 8, 3, 3};
  for (const Device& device : test_devices()) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      std::vector<float> x(36, 1.0f), dy(static_cast<std::size_t>(c.y_size()), 1.0f);
      x[35] = NAN;  // only the last element of the last window
      Graph graph;
      graph.output("dw", conv2d_backward_weights(graph.input("x", x_shape(c), dtype),
                                                 graph.input("dy", y_shape(c), dtype), w_shape(c),
                                                 geometry_of(c)));
      const Tensor dw = interpret(graph,
                                  {{"x", Tensor::from(x, x_shape(c)).to(dtype)},
                                   {"dy", Tensor::from(dy, y_shape(c)).to(dtype)}},
                                  nullptr, device)[0];
      std::vector<double> want(8 * 9, 16.0);
      for (std::size_t i = 8; i < want.size(); i += 9) want[i] = NAN;
      EXPECT_TRUE(close_to(dw, want, 0.0)) << dtype << device;
    }
  }
}

// A NaN, or an infinity under a weight of 0, reaches the pixels whose window holds it and no other.
TEST(Conv2dSpecialValues, FewChannelsKeepNanWhereItIs) {
  const Conv2dCase c{"", 1, 9, 20, 3, 8, 3, 3, 1, 1, 1, 1};
  for (const Device& device : test_devices()) {
    if (!device.is_cuda()) continue;
    for (const DType dtype : {DType::f32, DType::bf16}) {
      for (const float value : {NAN, INFINITY}) {
        std::vector<float> x(static_cast<std::size_t>(c.x_size()), 1.0f);
        x[(4 * 20 + 10) * 3 + 1] = value;
        std::vector<float> w(static_cast<std::size_t>(c.w_size()), 1.0f);
        const Tensor y =
            run_on(device, std::make_shared<Conv2dOp>(geometry_of(c)),
                   {Tensor::from(x, x_shape(c)).to(dtype), Tensor::from(w, w_shape(c)).to(dtype)});
        const std::vector<float> got = y.to_floats();
        for (std::size_t i = 0; i < got.size(); ++i) {
          const std::size_t row = i / 8 / 20, column = i / 8 % 20;
          const bool holds = row >= 3 && row <= 5 && column >= 9 && column <= 11;
          ASSERT_EQ(std::isfinite(got[i]), !holds) << i << dtype;
          ASSERT_EQ(std::isnan(got[i]), holds && std::isnan(value)) << i << dtype;
        }
      }
    }
  }
}

// The same of dy, whose pixels reach those of x under their windows.
TEST(Conv2dSpecialValues, FewChannelsKeepNanOfTheGradientWhereItIs) {
  const Conv2dCase c{"", 1, 9, 20, 3, 8, 3, 3, 1, 1, 1, 1};
  for (const Device& device : test_devices()) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      std::vector<float> dy(static_cast<std::size_t>(c.y_size()), 1.0f);
      dy[(4 * 20 + 10) * 8 + 5] = NAN;
      const std::vector<float> w(static_cast<std::size_t>(c.w_size()), 1.0f);
      Graph graph;
      graph.output("dx", conv2d_backward_data(graph.input("dy", y_shape(c), dtype),
                                              graph.input("w", w_shape(c), dtype), x_shape(c),
                                              geometry_of(c)));
      const std::vector<float> got = interpret(graph,
                                               {{"dy", Tensor::from(dy, y_shape(c)).to(dtype)},
                                                {"w", Tensor::from(w, w_shape(c)).to(dtype)}},
                                               nullptr, device)[0]
                                         .to_floats();
      for (std::size_t i = 0; i < got.size(); ++i) {
        const std::size_t row = i / 3 / 20, column = i / 3 % 20;
        const bool is_reached = row >= 3 && row <= 5 && column >= 9 && column <= 11;
        ASSERT_EQ(std::isnan(got[i]), is_reached) << i << dtype << device;
      }
    }
  }
}

std::string plan_text(cuda::Conv2dDirection direction, const Conv2dCase& c, DType dtype) {
  if (!cuda::few_channels_takes(direction, problem_of(c), dtype)) return "no";
  const auto plan = cuda::few_channels_plan(direction, problem_of(c), dtype);
  return join(plan.tiles.tile_h, 'x', 1 << plan.tiles.log_tile_w, " pixels, ", plan.channels,
              " channels, ", plan.tiles.count, " tiles, ", plan.shared_bytes, " bytes");
}

TEST(Conv2dChoice, FewChannelsAreCutIntoTiles) {
  using enum cuda::Conv2dDirection;
  const Conv2dCase vgg{"", 16, 224, 224, 3, 64, 3, 3, 1, 1, 1, 1};
  EXPECT_EQ(plan_text(forward, vgg, DType::bf16),
            "16x8 pixels, 64 channels, 6272 tiles, 6328 bytes");
  EXPECT_EQ(plan_text(forward, vgg, DType::f32),
            "16x8 pixels, 64 channels, 6272 tiles, 9504 bytes");
  EXPECT_EQ(plan_text(backward_weights, vgg, DType::f32),
            "8x8 pixels, 64 channels, 12544 tiles, 17584 bytes");
  EXPECT_EQ(plan_text(backward_weights, vgg, DType::bf16),
            "8x8 pixels, 64 channels, 12544 tiles, 9816 bytes");
  EXPECT_EQ(plan_text(backward_data, vgg, DType::f32),
            "0x1 pixels, 32 channels, 200704 tiles, 6912 bytes");
  EXPECT_EQ(plan_text(backward_data, vgg, DType::bf16),
            "0x1 pixels, 64 channels, 200704 tiles, 6912 bytes");
  Conv2dCase many_filters = vgg;
  many_filters.out_channels = 1024;
  EXPECT_EQ(plan_text(backward_data, many_filters, DType::bf16), "no") << "no room for them";
  EXPECT_EQ(plan_text(forward, vgg, DType::f16), "no");
  // 64 channels have no room, or there are fewer.
  const Conv2dCase alexnet{"", 1, 128, 128, 3, 96, 11, 11, 4, 4, 2, 2};
  EXPECT_EQ(plan_text(forward, alexnet, DType::f32),
            "16x8 pixels, 32 channels, 8 tiles, 85500 bytes");
  EXPECT_EQ(plan_text(backward_weights, alexnet, DType::bf16), "no") << "long filters";
  const Conv2dCase huge{"", 1, 128, 128, 4, 8, 64, 64};
  EXPECT_EQ(plan_text(forward, huge, DType::f32), "no");
  Conv2dCase more_channels = vgg, dilated = vgg, grouped = vgg;
  more_channels.in_channels = 5;
  dilated.dilation_w = 2;
  grouped.in_channels = grouped.groups = 2;
  for (const Conv2dCase& other : {more_channels, dilated, grouped}) {
    EXPECT_EQ(plan_text(forward, other, DType::f32), "no");
  }
}

TEST(Conv2dChoice, DepthwiseIsOneFilterAChannel) {
  const Conv2dCase ds_cnn{"", 8, 25, 5, 64, 64, 3, 3, 1, 1, 1, 1, 1, 1, 64};
  EXPECT_TRUE(cuda::depthwise_takes(problem_of(ds_cnn), DType::bf16));
  EXPECT_FALSE(cuda::depthwise_takes(problem_of(ds_cnn), DType::f16));
  Conv2dCase twice = ds_cnn, dilated = ds_cnn, grouped = ds_cnn;
  twice.out_channels = 128;
  dilated.dilation_h = 2;
  grouped.groups = 32;
  for (const Conv2dCase& other : {twice, dilated, grouped}) {
    EXPECT_FALSE(cuda::depthwise_takes(problem_of(other), DType::f32));
  }
}

}  // namespace
}  // namespace engine
