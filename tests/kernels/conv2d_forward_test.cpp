#include <gtest/gtest.h>

#include "tests/kernels/conv2d_cases.h"

namespace engine {
namespace {

class Conv2dForward : public Conv2dTest {
 protected:
  static void expect_reference(DType dtype) {
    const Conv2dCase& c = GetParam();
    const Conv2dData data(c, dtype);
    const Tensor y = run_on(device(), std::make_shared<Conv2dOp>(geometry_of(c)), {data.x, data.w});
    const Expected want = expected_y(c, data);
    EXPECT_TRUE(close_to(y, want.values, want.bounds)) << dtype;
  }
};

TEST_P(Conv2dForward, MatchesReferenceF32) {
  expect_reference(DType::f32);
}

TEST_P(Conv2dForward, MatchesReferenceInNarrowTypes) {
  for (const DType dtype : narrow_dtypes(device())) expect_reference(dtype);
}

class Conv2dForwardRounding : public Conv2dTest {};

// f32 weights with bf16 data mean the same as weights that were cast before.
TEST_P(Conv2dForwardRounding, RoundsF32Weights) {
  const Conv2dCase& c = GetParam();
  const Conv2dData data(c, DType::bf16);
  const Tensor w = random_tensor(w_shape(c), DType::f32, 2);  // not rounded to bf16
  const auto op = std::make_shared<Conv2dOp>(geometry_of(c));
  EXPECT_TRUE(same_bits(run_on(device(), op, {data.x, w}),
                        run_on(device(), op, {data.x, w.to(DType::bf16)})));
}

INSTANTIATE_TEST_SUITE_P(Table, Conv2dForward, on_devices(kConv2dCases), device_case_name);
INSTANTIATE_TEST_SUITE_P(Table, Conv2dForwardRounding, on_devices(kConv2dRoundingCases),
                         device_case_name);

const Conv2dCase kBiasCases[] = {
    {"odd_channels", 2, 7, 9, 6, 21, 3, 3, 1, 1, 1, 1},
    {"groups", 2, 7, 9, 32, 16, 3, 3, 1, 1, 1, 1, 1, 1, 2},
};
class Conv2dBias : public Conv2dTest {};

TEST_P(Conv2dBias, BiasAndReluMatchReference) {
  const Conv2dCase& c = GetParam();
  for (const DType dtype : conv2d_dtypes(device())) {
    const Conv2dData data(c, dtype);
    const Tensor bias = random_tensor({c.out_channels}, DType::f32, 4);
    const auto run = [&](Activation activation) {
      return run_on(device(), std::make_shared<Conv2dOp>(geometry_of(c), activation),
                    {data.x, data.w, bias});
    };
    const Expected want = expected_relu(c, data, bias);
    EXPECT_TRUE(close_to(run(Activation::relu), want.values, want.bounds));
    // Where relu lets it pass, it is the sum; elsewhere the sum is negative.
    const Tensor sums = run(Activation::none), kept = run(Activation::relu);
    const auto sum = to_doubles(sums), relu = to_doubles(kept);
    for (std::size_t i = 0; i < sum.size(); ++i) EXPECT_EQ(relu[i], std::max(sum[i], 0.0));
  }
}

INSTANTIATE_TEST_SUITE_P(Table, Conv2dBias, on_devices(kBiasCases), device_case_name);

TEST(Conv2dSpecialValues, NanAndInfinityReachTheResult) {
  for (const Device& device : test_devices()) {
    for (const DType dtype : conv2d_dtypes(device)) {
      const Tensor w = Tensor::from(std::vector<float>{1}, {1, 1, 1, 1}).to(dtype);
      const Tensor x = Tensor::from(std::vector<float>{NAN, INFINITY, -INFINITY, 2}, {1, 2, 2, 1});
      const Tensor y =
          run_on(device, std::make_shared<Conv2dOp>(Conv2dGeometry{}), {x.to(dtype), w});
      EXPECT_TRUE(close_to(y, std::vector<double>{NAN, INFINITY, -INFINITY, 2}, 0.0));
    }
  }
}

// Not with oneDNN, whose relu loses it.
TEST(Conv2dSpecialValues, FusedReluKeepsNanOnCuda) {
  for (const Device& device : test_devices()) {
    if (!device.is_cuda()) continue;
    for (const DType dtype : conv2d_dtypes(device)) {
      const Tensor w = Tensor::from(std::vector<float>{1}, {1, 1, 1, 1}).to(dtype);
      const Tensor x = Tensor::from(std::vector<float>{NAN, -2, 3, 2}, {1, 2, 2, 1});
      const Tensor bias = Tensor::from(std::vector<float>{1}, {1});
      const auto op = std::make_shared<Conv2dOp>(Conv2dGeometry{}, Activation::relu);
      const Tensor y = run_on(device, op, {x.to(dtype), w, bias});
      EXPECT_TRUE(close_to(y, std::vector<double>{NAN, 0, 4, 3}, 0.0));
    }
  }
}

}  // namespace
}  // namespace engine
