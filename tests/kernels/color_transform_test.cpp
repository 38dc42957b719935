#include "engine/kernels/color_transform.h"

#include <cmath>

#include <gtest/gtest.h>

#include "engine/core/autodiff.h"
#include "engine/kernels/binary.h"
#include "engine/kernels/reduce.h"
#include "tests/support/cases.h"
#include "tests/support/compare.h"
#include "tests/support/devices.h"
#include "tests/support/interpret.h"
#include "tests/support/random_tensor.h"

namespace engine {
namespace {

struct Case {
  const char* name;
  Shape x;
  std::int64_t out;
  bool has_offset;
};
ENGINE_TEST_CASE_PRINTS_NAME(Case)

const Case kCases[] = {{"rgb_to_rgb", {1, 5, 7, 3}, 3, true},
                       {"rgb_to_grey", {2, 3, 4, 3}, 1, false},
                       {"grey_to_rgb", {6, 1}, 3, true},
                       {"sixteen", {9, 16}, 16, true},
                       {"parallel", {1, 90, 80, 3}, 3, false}};

class ColorTransformTest : public DeviceTest<Case> {};
INSTANTIATE_TEST_SUITE_P(Channels, ColorTransformTest, on_devices(kCases), device_case_name);

class ColorTransforms : public testing::TestWithParam<Device> {};
INSTANTIATE_TEST_SUITE_P(Devices, ColorTransforms, testing::ValuesIn(test_devices()), device_name);

// The definition in double: y = M x + b and dx = M^T dy, with the sums of magnitudes.
struct Reference {
  const std::vector<float>& matrix;
  std::int64_t in, out;

  std::vector<double> map(const std::vector<double>& x, const std::vector<float>& offset) const {
    std::vector<double> y;
    for (std::size_t p = 0; p < x.size() / static_cast<std::size_t>(in); ++p) {
      for (std::int64_t j = 0; j < out; ++j) {
        double sum = offset.empty() ? 0 : offset[static_cast<std::size_t>(j)];
        for (std::int64_t i = 0; i < in; ++i) {
          sum += static_cast<double>(matrix[static_cast<std::size_t>(j * in + i)]) *
                 x[p * static_cast<std::size_t>(in) + static_cast<std::size_t>(i)];
        }
        y.push_back(sum);
      }
    }
    return y;
  }
  std::vector<double> transposed_map(const std::vector<double>& dy) const {
    std::vector<double> dx;
    for (std::size_t p = 0; p < dy.size() / static_cast<std::size_t>(out); ++p) {
      for (std::int64_t i = 0; i < in; ++i) {
        double sum = 0;
        for (std::int64_t j = 0; j < out; ++j) {
          sum += static_cast<double>(matrix[static_cast<std::size_t>(j * in + i)]) *
                 dy[p * static_cast<std::size_t>(out) + static_cast<std::size_t>(j)];
        }
        dx.push_back(sum);
      }
    }
    return dx;
  }
};

TEST_P(ColorTransformTest, ForwardAndBackwardMatchReference) {
  const Case& c = GetParam();
  const std::int64_t in = c.x[-1];
  ColorTransform transform{.in_channels = in,
                           .matrix = random_tensor({c.out, in}, DType::f32, 5).to_floats()};
  if (c.has_offset) transform.offset = random_tensor({c.out}, DType::f32, 6).to_floats();
  Graph graph;
  const Value x = graph.input("x", c.x), y = color_transform(x, transform);
  const Value dy = graph.input("dy", y.shape());
  graph.output("y", y);
  graph.output("dx", gradients(sum(y * dy), std::vector<Value>{x})[0]);
  const Tensor x_value = random_tensor(c.x, DType::f32, 1);
  const Tensor dy_value = random_tensor(y.shape(), DType::f32, 2);
  const auto got = interpret(graph, {{"x", x_value}, {"dy", dy_value}}, nullptr, device());
  const Reference want{transform.matrix, in, c.out};
  // All numbers lie in [-1, 1], so that a sum's magnitude is at most its terms.
  const auto bound = [](const std::vector<double>& values, double terms) {
    std::vector<double> result;
    for (const double value : values) result.push_back(error_bound(terms, terms, value));
    return result;
  };
  const auto y_want = want.map(to_doubles(x_value), transform.offset);
  const auto dx_want = want.transposed_map(to_doubles(dy_value));
  EXPECT_TRUE(close_to(got[0], y_want, bound(y_want, static_cast<double>(in) + 1)));
  EXPECT_TRUE(close_to(got[1], dx_want, bound(dx_want, static_cast<double>(c.out) + 1)));
}

TEST_P(ColorTransforms, YiqAndBackIsTheSamePicture) {
  Graph graph;
  const Value x = graph.input("x", {1, 6, 5, 3});
  const Value yiq = color_transform(x, ColorTransform::rgb_to_yiq());
  graph.output("back", color_transform(yiq, ColorTransform::yiq_to_rgb()));
  graph.output("grey", color_transform(x, ColorTransform::luminance()));
  const Tensor picture = random_tensor(x.shape(), DType::f32, 1);
  const auto got = interpret(graph, {{"x", picture}}, nullptr, GetParam());
  EXPECT_TRUE(close_to(got[0], to_doubles(picture), 1e-6));
  const auto pixels = picture.to_floats(), grey = got[1].to_floats();
  for (std::size_t p = 0; p < grey.size(); ++p) {
    ASSERT_NEAR(grey[p],
                0.299 * pixels[3 * p] + 0.587 * pixels[3 * p + 1] + 0.114 * pixels[3 * p + 2],
                1e-6);
  }
}

TEST_P(ColorTransforms, NanAndErrors) {
  Graph graph;
  const Value x = graph.input("x", {2, 3});
  graph.output("y", color_transform(x, {.in_channels = 3, .matrix = {0, 0, 1}}));
  const auto got =
      interpret(graph, {{"x", Tensor::from(std::vector<float>{NAN, 1, 2, 3, 4, 5}, {2, 3})}},
                nullptr, GetParam());
  EXPECT_TRUE(std::isnan(got[0].to_floats()[0]));
  EXPECT_EQ(got[0].to_floats()[1], 5);
  EXPECT_THROW(color_transform(graph.input("grey", {2, 1}), ColorTransform::luminance()),
               InvalidArgument);
  EXPECT_THROW(color_transform(x, {.in_channels = 3, .matrix = {1, 2}}), InvalidArgument);
  EXPECT_THROW(color_transform(x, {.in_channels = 3, .matrix = {1, 2, 3}, .offset = {1, 2}}),
               InvalidArgument);
}

}  // namespace
}  // namespace engine
