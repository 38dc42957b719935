#include "engine/kernels/cpu/few_channels_conv2d.h"

#include <cstring>

#include <gtest/gtest.h>

#include "engine/kernels/cpu/few_channels_sums.h"
#include "engine/kernels/cpu/onednn.h"
#include "tests/kernels/conv2d_cases.h"

// Called by itself. On a processor that it is not chosen for it is slow but must be right.
namespace engine {
namespace {

using cpu::few_channels::Products;

// As in kConv2dCases: n, h, w, in_channels, out_channels, kh, kw, stride, padding. Blocks are of 8
// pixels, or 4 with four channels; vectors of 16 numbers, or 32 with bf16.
const Conv2dCase kCases[] = {
    {"rgb_3x3", 2, 6, 19, 3, 32, 3, 3, 1, 1, 1, 1},
    {"rgb_no_padding", 1, 5, 18, 3, 32, 3, 3},
    {"rgb_padding_of_two", 2, 4, 12, 3, 16, 3, 3, 1, 1, 2, 2},
    {"one_channel_5x5", 3, 9, 14, 1, 6, 5, 5, 1, 1, 2, 2},
    {"two_channels_unequal", 1, 7, 11, 2, 21, 3, 5, 1, 1, 1, 0},
    {"four_channels", 2, 5, 9, 4, 17, 3, 3, 1, 1, 1, 1},
    {"one_by_one", 2, 5, 9, 3, 40, 1, 1},
    {"one_by_one_few_filters", 1, 16, 9, 4, 3, 1, 1},
    {"one_filter", 1, 9, 9, 3, 1, 3, 3, 1, 1, 1, 1},
    {"one_pixel_wide", 3, 8, 1, 3, 13, 3, 3, 1, 1, 1, 1},
    {"one_pixel_high", 2, 1, 10, 2, 33, 3, 3, 1, 1, 1, 1},
    {"one_block_wide", 1, 3, 8, 3, 8, 1, 3, 1, 1, 0, 1},
    {"kernel_is_image", 10, 4, 5, 1, 20, 4, 5},
    {"padding_beyond_kernel", 2, 3, 3, 4, 4, 2, 2, 1, 1, 3, 3},
    {"exactly_one_vector", 1, 4, 10, 1, 16, 2, 2},
};

std::vector<Products> products(DType dtype) {
  if (dtype == DType::f32) return {Products::f32};
  std::vector<Products> result = {Products::bf16};
  const Products best = cpu::few_channels::products_of(dtype);
  if (best != result[0]) result.push_back(best);
  return result;
}

// On buffers of exactly the size that it asks for.
Tensor run_kernel(const Conv2dCase& c, const Tensor& dy, const Tensor& w, Products products,
                  int threads = 2) {
  const Device device = Device::cpu({.threads = threads});
  const Conv2dProblem problem = conv2d_problem("test", x_shape(c), w_shape(c), geometry_of(c));
  const std::vector<TensorType> inputs = {dy.type(), w.type()};
  const TensorType output{x_shape(c), dy.dtype()};
  EXPECT_TRUE(cpu::few_channels_can(problem, {device, inputs, {&output, 1}, {}}));
  const auto kernel = cpu::few_channels_conv2d_backward_data(problem, w.dtype(), products);
  const Tensor result = Tensor::empty(output.shape, output.dtype, Device::cpu());
  const Tensor scratch = Tensor::empty({kernel->scratch_bytes()}, DType::u8, Device::cpu());
  std::memset(scratch.data(), 0xff, static_cast<std::size_t>(scratch.bytes()));  // NaN
  std::memset(result.data(), 0xff, static_cast<std::size_t>(result.bytes()));
  const void* data[] = {dy.data(), w.data()};
  void* outputs[] = {result.data()};
  kernel->run(device, {data, outputs, scratch.data()});
  return result;
}

class FewChannels : public testing::TestWithParam<Conv2dCase> {};

TEST_P(FewChannels, BackwardDataMatchesReference) {
  const Conv2dCase& c = GetParam();
  for (const DType dtype : {DType::f32, DType::bf16}) {
    const Conv2dData data(c, dtype);
    const Expected want = expected_dx(c, data);
    for (const Products how : products(dtype)) {
      EXPECT_TRUE(close_to(run_kernel(c, data.dy, data.w, how), want.values, want.bounds))
          << dtype << ' ' << static_cast<int>(how);
    }
  }
}

TEST_P(FewChannels, SameBitsWithAnyThreadCount) {
  const Conv2dCase& c = GetParam();
  for (const DType dtype : {DType::f32, DType::bf16}) {
    const Conv2dData data(c, dtype);
    for (const Products how : products(dtype)) {
      const Tensor one = run_kernel(c, data.dy, data.w, how, 1);
      EXPECT_TRUE(same_bits(one, run_kernel(c, data.dy, data.w, how, 3))) << dtype;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Table, FewChannels, testing::ValuesIn(kCases), case_name);

// Enough rows that three threads share them.
TEST(FewChannelsConv2d, SeveralThreadsMatchOne) {
  const Conv2dCase c{"", 3, 33, 40, 3, 12, 3, 3, 1, 1, 1, 1};
  const Conv2dData data(c, DType::f32);
  const Expected want = expected_dx(c, data);
  const Tensor got = run_kernel(c, data.dy, data.w, Products::f32, 3);
  EXPECT_TRUE(close_to(got, want.values, want.bounds));
  EXPECT_TRUE(same_bits(got, run_kernel(c, data.dy, data.w, Products::f32, 1)));
}

// f32 weights with bf16 data mean the same as weights that were cast before.
TEST(FewChannelsConv2d, RoundsF32Weights) {
  const Conv2dCase c{"", 1, 6, 16, 3, 10, 3, 3, 1, 1, 1, 1};
  const Conv2dData data(c, DType::bf16);
  const Tensor w = random_tensor(w_shape(c), DType::f32, 2);
  for (const Products how : products(DType::bf16)) {
    EXPECT_TRUE(
        same_bits(run_kernel(c, data.dy, w, how), run_kernel(c, data.dy, w.to(DType::bf16), how)));
  }
}

// A pixel of dy reaches those of dx under its window and no other, even where a vector of y holds
// it beside what is summed; a weight all pixels that it is a factor of.
TEST(FewChannelsConv2d, NanAndInfinityReachWhatAPlainSumGives) {
  const Conv2dCase c{"", 1, 9, 20, 3, 5, 3, 3, 1, 1, 1, 1};
  for (const DType dtype : {DType::f32, DType::bf16}) {
    for (const float value : {NAN, INFINITY}) {
      std::vector<float> dy(static_cast<std::size_t>(c.y_size()), 1.0f);
      const std::vector<float> w(static_cast<std::size_t>(c.w_size()), 1.0f);
      dy[(4 * 20 + 10) * 5 + 3] = value;
      for (const Products how : products(dtype)) {
        const std::vector<float> got = run_kernel(c, Tensor::from(dy, y_shape(c)).to(dtype),
                                                  Tensor::from(w, w_shape(c)).to(dtype), how)
                                           .to_floats();
        for (std::size_t i = 0; i < got.size(); ++i) {
          const std::size_t row = i / 3 / 20, column = i / 3 % 20;
          const bool is_reached = row >= 3 && row <= 5 && column >= 9 && column <= 11;
          ASSERT_EQ(std::isnan(got[i]), is_reached && std::isnan(value)) << i << dtype;
          ASSERT_EQ(std::isinf(got[i]), is_reached && std::isinf(value)) << i << dtype;
        }
      }
    }
  }
}

// Where a tap lies in the padding, its weight takes no part.
TEST(FewChannelsConv2d, InfiniteWeightOutsideYTakesNoPart) {
  const Conv2dCase c{"", 1, 9, 20, 1, 5, 3, 3, 1, 1, 1, 1};
  std::vector<float> w(static_cast<std::size_t>(c.w_size()), 1.0f);
  w[0] = INFINITY;  // of the tap above and to the left: y is below and to the right of x
  const std::vector<float> dy(static_cast<std::size_t>(c.y_size()), 1.0f);
  for (const DType dtype : {DType::f32, DType::bf16}) {
    for (const Products how : products(dtype)) {
      const std::vector<float> got = run_kernel(c, Tensor::from(dy, y_shape(c)).to(dtype),
                                                Tensor::from(w, w_shape(c)).to(dtype), how)
                                         .to_floats();
      for (std::size_t i = 0; i < got.size(); ++i) {
        const bool is_outside = i / 20 == 8 || i % 20 == 19;
        ASSERT_EQ(std::isinf(got[i]), !is_outside) << i << dtype;
        ASSERT_FALSE(std::isnan(got[i])) << i << dtype;
      }
    }
  }
}

TEST(FewChannelsConv2d, ChosenForFewChannelsOnly) {
  if (!cpu::onednn_uses_avx512()) GTEST_SKIP() << "no AVX-512 here";
  const auto takes = [](const Conv2dCase& c, DType dtype = DType::f32) {
    const std::vector<TensorType> inputs = {{y_shape(c), dtype}, {w_shape(c), dtype}};
    const std::vector<TensorType> outputs = {{x_shape(c), dtype}};
    const Conv2dProblem problem = conv2d_problem("test", x_shape(c), w_shape(c), geometry_of(c));
    const PrepareContext context{Device::cpu({.threads = 2}), inputs, outputs, {}};
    return cpu::few_channels_is_faster(problem, context);
  };
  EXPECT_TRUE(takes({"", 1, 64, 64, 3, 64, 3, 3, 1, 1, 1, 1}));
  EXPECT_TRUE(takes({"", 1, 28, 28, 1, 6, 5, 5, 1, 1, 2, 2}, DType::bf16));
  EXPECT_TRUE(takes({"", 1, 28, 28, 3, 8, 2, 2}));
  EXPECT_FALSE(takes({"", 1, 28, 28, 3, 8, 2, 2}, DType::bf16));           // short sums
  EXPECT_FALSE(takes({"", 1, 64, 64, 5, 64, 3, 3, 1, 1, 1, 1}));           // channels
  EXPECT_FALSE(takes({"", 1, 64, 64, 3, 64, 3, 3, 1, 2, 1, 1}));           // stride
  EXPECT_FALSE(takes({"", 1, 64, 64, 3, 64, 3, 3, 1, 1, 1, 1, 2, 1}));     // dilation
  EXPECT_FALSE(takes({"", 1, 64, 64, 4, 64, 3, 3, 1, 1, 1, 1, 1, 1, 2}));  // groups
  EXPECT_FALSE(takes({"", 1, 2, 2, 3, 8, 2, 2}));                          // no vectors in y
  EXPECT_FALSE(takes({"", 1, 64, 64, 3, 64, 3, 3, 1, 1, 1, 1}, DType::f16));
}

}  // namespace
}  // namespace engine
