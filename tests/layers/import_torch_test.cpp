#include "engine/layers/import_torch.h"

#include <gtest/gtest.h>

#include "engine/core/errors.h"
#include "tests/reference/conv2d.h"
#include "tests/support/compare.h"
#include "tests/support/torch_vectors.h"

namespace engine {
namespace {

Tensor counted(const Shape& shape) {
  std::vector<float> values(static_cast<std::size_t>(shape.elements()));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  return Tensor::from(values, shape);
}

// Our definition in double on the imported weights against PyTorch's f32 answer; the values are of
// order one and the sums have at most 120 terms.
constexpr double kBound = 1e-5;

TEST(ImportTorch, Conv2dAnswersLikePyTorch) {
  const TorchVectors torch("import_torch");
  const Tensor w = import_torch_conv2d(torch["conv.weight"]);
  EXPECT_EQ(w.shape(), (Shape{6, 3, 2, 2}));
  const reference::Conv2dCase geometry = {.n = 2,
                                          .h = 5,
                                          .w = 6,
                                          .in_channels = 4,
                                          .out_channels = 6,
                                          .kh = 3,
                                          .kw = 2,
                                          .stride_w = 2,
                                          .padding_h = 1,
                                          .groups = 2};
  const auto y = reference::conv2d(geometry, to_doubles(torch["x"]), to_doubles(w));
  EXPECT_TRUE(close_to(torch["conv.y"], y, kBound));
}

// A transposed convolution is the gradient of the convolution that leads back.
TEST(ImportTorch, ConvTranspose2dAnswersLikePyTorch) {
  const TorchVectors torch("import_torch");
  const Tensor w = import_torch_conv_transpose2d(torch["transposed.weight"]);
  EXPECT_EQ(w.shape(), (Shape{4, 3, 2, 3}));
  const Shape y_shape = torch["transposed.y"].shape();
  const reference::Conv2dCase back = {.n = 2,
                                      .h = y_shape[1],
                                      .w = y_shape[2],
                                      .in_channels = 6,
                                      .out_channels = 4,
                                      .kh = 3,
                                      .kw = 2,
                                      .stride_h = 2,
                                      .stride_w = 2,
                                      .groups = 2};
  const auto y = reference::conv2d_backward_data(back, to_doubles(torch["x"]), to_doubles(w));
  EXPECT_TRUE(close_to(torch["transposed.y"], y, kBound));
}

TEST(ImportTorch, LinearAfterFlattenAnswersLikePyTorch) {
  const TorchVectors torch("import_torch");
  const Tensor w = import_torch_linear_after_flatten(torch["linear.weight"],
                                                     {.channels = 4, .height = 5, .width = 6});
  const std::vector<double> x = to_doubles(torch["x"]), weights = to_doubles(w);
  std::vector<double> y(2 * 3, 0.0);
  for (std::size_t row = 0; row < 2; ++row) {
    for (std::size_t unit = 0; unit < 3; ++unit) {
      for (std::size_t i = 0; i < 120; ++i)
        y[row * 3 + unit] += x[row * 120 + i] * weights[unit * 120 + i];
    }
  }
  EXPECT_TRUE(close_to(torch["linear.y"], y, kBound));
}

TEST(ImportTorch, PermutesByHand) {
  const std::vector<double> conv = {0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11};
  EXPECT_TRUE(close_to(import_torch_conv2d(counted({1, 3, 2, 2})), conv, 0.0));
  const Tensor linear = import_torch_linear_after_flatten(counted({2, 4}), {2, 1, 2});
  EXPECT_TRUE(close_to(linear, std::vector<double>{0, 2, 1, 3, 4, 6, 5, 7}, 0.0));
}

TEST(ImportTorch, KeepsTheBitsOfEveryDtype) {
  for (const DType dtype : {DType::f32, DType::bf16, DType::f16, DType::i32, DType::u8}) {
    const Tensor source = counted({2, 3, 2, 2});
    EXPECT_TRUE(
        same_bits(import_torch_conv2d(source.to(dtype)), import_torch_conv2d(source).to(dtype)));
  }
}

TEST(ImportTorch, OtherShapesAreRefused) {
  EXPECT_THROW(import_torch_conv2d(counted({2, 3, 2})), InvalidArgument);
  EXPECT_THROW(import_torch_conv_transpose2d(Tensor()), InvalidArgument);
  EXPECT_THROW(import_torch_linear_after_flatten(counted({2, 12}), {3, 2, 3}), InvalidArgument);
  EXPECT_THROW(import_torch_linear_after_flatten(counted({2, 12}), {0, 2, 3}), InvalidArgument);
  EXPECT_THROW(import_torch_linear_after_flatten(counted({12}), {3, 2, 2}), InvalidArgument);
  EXPECT_EQ(import_torch_conv2d(counted({0, 3, 2, 2})).shape(), (Shape{0, 2, 2, 3}));
}

}  // namespace
}  // namespace engine
