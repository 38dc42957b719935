#include <gtest/gtest.h>

#include "tests/kernels/conv2d_cases.h"

namespace engine {
namespace {

class Conv2dBackwardData : public Conv2dTest {
 protected:
  static Tensor run(const Tensor& dy, const Tensor& w) {
    const Conv2dCase& c = GetParam();
    Graph graph;
    graph.output("dx", conv2d_backward_data(graph.input("dy", dy.shape(), dy.dtype()),
                                            graph.input("w", w.shape(), w.dtype()), x_shape(c),
                                            geometry_of(c)));
    return interpret(graph, {{"dy", dy}, {"w", w}}, nullptr, device())[0];
  }

  static void expect_reference(DType dtype) {
    const Conv2dData data(GetParam(), dtype);
    const Expected want = expected_dx(GetParam(), data);
    EXPECT_TRUE(close_to(run(data.dy, data.w), want.values, want.bounds)) << dtype;
  }
};

TEST_P(Conv2dBackwardData, MatchesReferenceF32) {
  expect_reference(DType::f32);
}

TEST_P(Conv2dBackwardData, MatchesReferenceInNarrowTypes) {
  for (const DType dtype : narrow_dtypes(device())) expect_reference(dtype);
}

class Conv2dBackwardDataRounding : public Conv2dBackwardData {};

// f32 weights with bf16 data mean the same as weights that were cast before.
TEST_P(Conv2dBackwardDataRounding, RoundsF32Weights) {
  const Conv2dData data(GetParam(), DType::bf16);
  const Tensor w = random_tensor(w_shape(GetParam()), DType::f32, 2);  // not rounded to bf16
  EXPECT_TRUE(same_bits(run(data.dy, w), run(data.dy, w.to(DType::bf16))));
}

INSTANTIATE_TEST_SUITE_P(Table, Conv2dBackwardData, on_devices(kConv2dCases), device_case_name);
INSTANTIATE_TEST_SUITE_P(Table, Conv2dBackwardDataRounding, on_devices(kConv2dRoundingCases),
                         device_case_name);

}  // namespace
}  // namespace engine
