#include <gtest/gtest.h>

#include "tests/kernels/conv2d_cases.h"

namespace engine {
namespace {

class Conv2dBackwardWeights : public Conv2dTest {
 protected:
  static void expect_reference(DType dtype) {
    const Conv2dCase& c = GetParam();
    const Conv2dData data(c, dtype);
    Graph graph;
    graph.output("dw", conv2d_backward_weights(graph.input("x", x_shape(c), dtype),
                                               graph.input("dy", y_shape(c), dtype), w_shape(c),
                                               geometry_of(c)));
    const Tensor dw = interpret(graph, {{"x", data.x}, {"dy", data.dy}}, nullptr, device())[0];
    const Expected want = expected_dw(c, data);
    EXPECT_TRUE(close_to(dw, want.values, want.bounds)) << dtype;
  }
};

// Beyond the common ones: sums long enough to be split.
const Conv2dCase kLongSums[] = {
    {"long_sums", 4, 13, 12, 5, 5, 3, 3, 1, 1, 1, 1},
    {"long_sums_groups", 4, 13, 12, 4, 4, 3, 3, 1, 1, 1, 1, 1, 1, 2},
};

TEST_P(Conv2dBackwardWeights, MatchesReferenceF32) {
  expect_reference(DType::f32);
}

TEST_P(Conv2dBackwardWeights, MatchesReferenceInNarrowTypes) {
  for (const DType dtype : narrow_dtypes(device())) expect_reference(dtype);
}

INSTANTIATE_TEST_SUITE_P(Table, Conv2dBackwardWeights, on_devices(kConv2dCases), device_case_name);
INSTANTIATE_TEST_SUITE_P(LongSums, Conv2dBackwardWeights, on_devices(kLongSums), device_case_name);

}  // namespace
}  // namespace engine
