#include "engine/kernels/cpu/winograd_conv2d.h"

#include <cstring>

#include <gtest/gtest.h>

#include "engine/kernels/cpu/lanes.h"
#include "engine/kernels/cpu/onednn.h"
#include "tests/kernels/conv2d_cases.h"

// Called by itself, as prepare_conv2d takes small problems directly. On a processor that it is not
// chosen for it is slow but must be right.
namespace engine {
namespace {

using cpu::winograd_can;
using cpu::winograd_is_faster;

// Sums of a hundred terms and more: errors come with the size of a whole tile, so that a sum of few
// terms can exceed a bound made of those terms alone. As in kConv2dCases: n, h, w, in_channels,
// out_channels, 3, 3, stride, padding.
const Conv2dCase kCases[] = {
    {"one_tile_an_image", 8, 4, 4, 16, 16, 3, 3, 1, 1, 1, 1},
    {"one_pixel_an_image", 200, 3, 3, 16, 32, 3, 3},
    {"no_padding", 2, 8, 10, 32, 16, 3, 3},
    {"odd_sizes", 3, 7, 13, 16, 48, 3, 3, 1, 1, 1, 1},
    {"padding_of_two", 2, 5, 6, 48, 16, 3, 3, 1, 1, 2, 2},
    {"unequal_padding", 2, 9, 6, 16, 16, 3, 3, 1, 1, 0, 2},
    {"several_chunks", 3, 90, 91, 16, 16, 3, 3, 1, 1, 1, 1},
    {"chunk_with_rest", 1, 57, 61, 128, 16, 3, 3, 1, 1, 1, 1},
};

enum class Direction { forward, backward_data, backward_weights };

// The kernel of a direction on buffers of exactly the size that it asks for.
Tensor run_winograd(Direction direction, const Conv2dCase& c, const std::vector<Tensor>& inputs,
                    const TensorType& output, Activation activation = Activation::none,
                    bool frozen = false, const cpu::WinogradLimits& limits = {}) {
  const Device device = Device::cpu({.threads = 2});
  const Conv2dProblem problem = conv2d_problem("test", x_shape(c), w_shape(c), geometry_of(c));
  std::vector<TensorType> types;
  std::vector<const void*> data;
  for (const Tensor& input : inputs) {
    types.push_back(input.type());
    data.push_back(input.data());
  }
  std::vector<const void*> frozen_data(inputs.size(), nullptr);
  if (frozen) frozen_data[1] = data[1];
  const PrepareContext context{device, types, {&output, 1}, frozen_data};
  EXPECT_TRUE(winograd_can(problem, context));
  const std::unique_ptr<Kernel> kernel =
      direction == Direction::forward ? cpu::winograd_conv2d(problem, activation, context, limits)
      : direction == Direction::backward_data
          ? cpu::winograd_conv2d_backward_data(problem, context, limits)
          : cpu::winograd_conv2d_backward_weights(problem, context);
  EXPECT_EQ(kernel->packed_bytes() > 0, frozen);
  if (frozen) data[1] = nullptr;  // no longer read
  const Tensor result = Tensor::empty(output.shape, output.dtype, Device::cpu());
  const Tensor scratch = Tensor::empty({kernel->scratch_bytes()}, DType::u8, Device::cpu());
  std::memset(scratch.data(), 0xff, static_cast<std::size_t>(scratch.bytes()));  // NaN
  std::memset(result.data(), 0xff, static_cast<std::size_t>(result.bytes()));
  void* outputs[] = {result.data()};
  kernel->run(device, {data, outputs, scratch.data()});
  return result;
}

// Filters are too many for the last cache, and so are the patches of more than a few tiles.
const cpu::WinogradLimits kSmallCache = {.filter_floats = 0, .patch_bytes = 200 << 10};

class Winograd : public testing::TestWithParam<Conv2dCase> {};

TEST_P(Winograd, ForwardMatchesReference) {
  const Conv2dCase& c = GetParam();
  for (const DType dtype : {DType::f32, DType::bf16}) {
    const Conv2dData data(c, dtype);
    const Expected want = expected_y(c, data);
    const TensorType y{y_shape(c), dtype};
    const Tensor got = run_winograd(Direction::forward, c, {data.x, data.w}, y);
    EXPECT_TRUE(close_to(got, want.values, want.bounds)) << dtype;
    EXPECT_TRUE(same_bits(
        got, run_winograd(Direction::forward, c, {data.x, data.w}, y, Activation::none, true)));
    EXPECT_TRUE(same_bits(got, run_winograd(Direction::forward, c, {data.x, data.w}, y,
                                            Activation::none, false, kSmallCache)));
  }
}

TEST_P(Winograd, BackwardDataMatchesReference) {
  const Conv2dCase& c = GetParam();
  for (const DType dtype : {DType::f32, DType::bf16}) {
    const Conv2dData data(c, dtype);
    const Expected want = expected_dx(c, data);
    const TensorType dx{x_shape(c), dtype};
    const Tensor got = run_winograd(Direction::backward_data, c, {data.dy, data.w}, dx);
    EXPECT_TRUE(close_to(got, want.values, want.bounds)) << dtype;
    EXPECT_TRUE(same_bits(got, run_winograd(Direction::backward_data, c, {data.dy, data.w}, dx,
                                            Activation::none, true)));
    EXPECT_TRUE(same_bits(got, run_winograd(Direction::backward_data, c, {data.dy, data.w}, dx,
                                            Activation::none, false, kSmallCache)));
  }
}

TEST_P(Winograd, BackwardWeightsMatchesReference) {
  const Conv2dCase& c = GetParam();
  for (const DType dtype : {DType::f32, DType::bf16}) {
    const Conv2dData data(c, dtype);
    const Expected want = expected_dw(c, data);
    const Tensor got =
        run_winograd(Direction::backward_weights, c, {data.x, data.dy}, {w_shape(c), DType::f32});
    EXPECT_TRUE(close_to(got, want.values, want.bounds)) << dtype;
  }
}

INSTANTIATE_TEST_SUITE_P(Table, Winograd, testing::ValuesIn(kCases), case_name);

TEST(WinogradConv2d, BiasAndReluMatchReference) {
  const Conv2dCase c{"", 2, 7, 9, 16, 32, 3, 3, 1, 1, 1, 1};
  for (const DType dtype : {DType::f32, DType::bf16}) {
    const Conv2dData data(c, dtype);
    const Tensor bias = random_tensor({c.out_channels}, DType::f32, 4);
    const Expected want = expected_relu(c, data, bias);
    const Tensor got = run_winograd(Direction::forward, c, {data.x, data.w, bias},
                                    {y_shape(c), dtype}, Activation::relu);
    EXPECT_TRUE(close_to(got, want.values, want.bounds)) << dtype;
  }
}

// f32 weights with bf16 data mean the same as weights that were cast before.
TEST(WinogradConv2d, RoundsF32Weights) {
  const Conv2dCase c{"", 1, 6, 6, 16, 16, 3, 3, 1, 1, 1, 1};
  const Conv2dData data(c, DType::bf16);
  const Tensor w = random_tensor(w_shape(c), DType::f32, 2), rounded = w.to(DType::bf16);
  for (const Direction direction : {Direction::forward, Direction::backward_data}) {
    const bool forward = direction == Direction::forward;
    const Tensor& images = forward ? data.x : data.dy;
    const TensorType type{forward ? y_shape(c) : x_shape(c), DType::bf16};
    EXPECT_TRUE(same_bits(run_winograd(direction, c, {images, w}, type),
                          run_winograd(direction, c, {images, rounded}, type)));
  }
}

// NaN reaches every pixel that it takes part in, through relu too, and no other image.
TEST(WinogradConv2d, NanReachesItsTile) {
  const Conv2dCase c{"", 2, 8, 8, 16, 16, 3, 3, 1, 1, 1, 1};
  for (const DType dtype : {DType::f32, DType::bf16}) {
    Tensor x = random_tensor(x_shape(c), DType::f32, 1);
    x.span<float>()[(2 * 8 + 2) * 16 + 5] = NAN;  // image 0, row 2, column 2
    const Tensor w = random_tensor(w_shape(c), DType::f32, 2);
    const Tensor bias = Tensor::zeros({c.out_channels}, DType::f32, Device::cpu());
    const std::vector<float> y =
        run_winograd(Direction::forward, c, {x.to(dtype), w.to(dtype), bias}, {y_shape(c), dtype},
                     Activation::relu)
            .to_floats();
    for (std::size_t i = 0; i < y.size(); ++i) {
      const std::size_t row = i / 16 / 8 % 8, column = i / 16 % 8;
      const bool is_near = row >= 1 && row <= 3 && column >= 1 && column <= 3;
      const bool is_first_image = i < 64 * 16;
      if (!is_first_image || is_near) {
        EXPECT_EQ(std::isnan(y[i]), is_first_image) << i;
      }
    }
  }
}

TEST(WinogradConv2d, ChosenForLargeProblemsOnly) {
  if (!cpu::onednn_uses_avx512()) GTEST_SKIP() << "no AVX-512 here";
  const auto is_chosen = [](const Conv2dCase& c, DType dtype = DType::f32) {
    const std::vector<TensorType> inputs = {{x_shape(c), dtype}, {w_shape(c), dtype}};
    const std::vector<TensorType> outputs = {{y_shape(c), dtype}};
    return winograd_is_faster(conv2d_problem("test", x_shape(c), w_shape(c), geometry_of(c)),
                              {Device::cpu({.threads = 2}), inputs, outputs, {}});
  };
  EXPECT_TRUE(is_chosen({"", 1, 128, 128, 64, 64, 3, 3, 1, 1, 1, 1}));
  EXPECT_FALSE(is_chosen({"", 1, 4, 4, 64, 64, 3, 3, 1, 1, 1, 1}));               // one tile
  EXPECT_FALSE(is_chosen({"", 1, 128, 128, 64, 64, 3, 3, 2, 2, 1, 1}));           // stride
  EXPECT_FALSE(is_chosen({"", 1, 128, 128, 64, 64, 1, 1}));                       // 1x1
  EXPECT_FALSE(is_chosen({"", 1, 128, 128, 63, 64, 3, 3, 1, 1, 1, 1}));           // channels
  EXPECT_FALSE(is_chosen({"", 1, 128, 128, 64, 64, 3, 3, 1, 1, 1, 1, 1, 1, 2}));  // groups
  EXPECT_FALSE(is_chosen({"", 1, 128, 128, 64, 64, 3, 3, 1, 1, 3, 3}));           // padding
  EXPECT_FALSE(is_chosen({"", 1, 128, 128, 64, 64, 3, 3, 1, 1, 1, 1}, DType::f16));
}

// As BFloat16 itself rounds.
TEST(Lanes, RoundsToBf16) {
  const std::vector<float> values = {
      0.0f,      -0.0f, 1.0f,     1.00390625f, 1.01171875f, -1.005f, 3.4e38f, INFINITY,
      -INFINITY, NAN,   1.0e-40f, -3.3895e38f, 65504.0f,    0.1f,    -7.7f,   1.001953f};
  cpu::Lanes lanes;
  cpu::load_lanes(values.data(), lanes);
  BFloat16 rounded[cpu::kLanes];
  cpu::store_lanes(lanes, rounded);
  cpu::load_lanes(rounded, lanes);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(values[i])) {
      EXPECT_TRUE(std::isnan(lanes[i]));
    } else {
      EXPECT_EQ(rounded[i].bits, BFloat16(values[i]).bits) << values[i];
      EXPECT_EQ(lanes[i], static_cast<float>(rounded[i])) << values[i];
    }
  }
}

}  // namespace
}  // namespace engine
