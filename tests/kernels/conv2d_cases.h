#pragma once

#include "engine/kernels/conv2d.h"
#include "tests/kernels/matrix_support.h"
#include "tests/reference/conv2d.h"
#include "tests/support/cases.h"
#include "tests/support/devices.h"
#include "tests/support/interpret.h"
#include "tests/support/random_tensor.h"

// The convolutions that the tests of all three directions run.
namespace engine {
namespace reference {
ENGINE_TEST_CASE_PRINTS_NAME(Conv2dCase)
}

using reference::Conv2dCase;

// name, n, h, w, in_channels, out_channels, kh, kw, stride h w, padding h w, dilation h w, groups
inline const Conv2dCase kConv2dCases[] = {
    {"one_pixel"},
    {"batch_one_3x3", 1, 8, 8, 16, 32, 3, 3, 1, 1, 1, 1},
    {"odd_sizes", 3, 7, 11, 5, 13, 3, 3, 1, 1, 1, 1},
    {"first_layer", 2, 10, 9, 3, 32, 3, 3, 1, 1, 1, 1},
    {"one_channel_5x5", 2, 14, 14, 1, 6, 5, 5, 1, 1, 2, 2},
    {"tile_minus_one", 2, 6, 6, 15, 31, 3, 3, 1, 1, 1, 1},
    {"tile_plus_one", 2, 6, 6, 17, 33, 3, 3, 1, 1, 1, 1},
    {"pointwise", 2, 5, 9, 24, 40, 1, 1},
    {"pointwise_stride_2", 2, 9, 9, 16, 8, 1, 1, 2, 2},
    {"stride_above_kernel", 2, 13, 10, 4, 8, 2, 2, 3, 4},
    {"stride_with_rest", 2, 10, 8, 6, 6, 3, 3, 2, 2},
    {"unequal_kernel", 2, 9, 17, 3, 10, 1, 7, 1, 2, 0, 3},
    {"kernel_is_image", 5, 6, 4, 8, 12, 6, 4},
    {"padding_beyond_kernel", 2, 3, 3, 4, 4, 2, 2, 1, 1, 3, 3},
    {"dilation", 2, 11, 12, 8, 16, 3, 3, 1, 1, 2, 3, 2, 3},
    {"dilation_and_stride", 2, 12, 13, 8, 8, 3, 3, 2, 3, 2, 3, 3, 2},
    {"groups", 2, 7, 7, 6, 9, 3, 3, 1, 1, 1, 1, 1, 1, 3},
    {"groups_of_16", 2, 8, 8, 32, 32, 3, 3, 1, 1, 1, 1, 1, 1, 2},
    {"depthwise", 2, 7, 6, 16, 16, 3, 3, 1, 1, 1, 1, 1, 1, 16},
    {"depthwise_odd_stride_2", 2, 9, 7, 7, 7, 3, 3, 2, 2, 1, 1, 1, 1, 7},
    {"depthwise_twice_the_filters", 2, 6, 6, 8, 16, 3, 3, 1, 1, 0, 0, 1, 1, 8},
    {"many_channels", 1, 4, 4, 70, 66, 3, 3, 1, 1, 1, 1},
};

// Enough to see that weights are rounded.
inline const Conv2dCase kConv2dRoundingCases[] = {
    {"odd_sizes", 3, 7, 11, 5, 13, 3, 3, 1, 1, 1, 1},
    {"pointwise", 2, 5, 9, 24, 40, 1, 1},
    {"groups_of_16", 2, 8, 8, 32, 32, 3, 3, 1, 1, 1, 1, 1, 1, 2},
};

inline Conv2dGeometry geometry_of(const Conv2dCase& c) {
  return {.stride = {c.stride_h, c.stride_w},
          .padding = {c.padding_h, c.padding_w},
          .dilation = {c.dilation_h, c.dilation_w},
          .groups = c.groups};
}
inline Shape x_shape(const Conv2dCase& c) {
  return {c.n, c.h, c.w, c.in_channels};
}
inline Shape w_shape(const Conv2dCase& c) {
  return {c.out_channels, c.kh, c.kw, c.group_channels()};
}
inline Shape y_shape(const Conv2dCase& c) {
  return {c.n, c.oh(), c.ow(), c.out_channels};
}

struct Conv2dData {
  Conv2dData(const Conv2dCase& c, DType dtype)
      : x(random_tensor(x_shape(c), dtype, 1)),
        w(random_tensor(w_shape(c), dtype, 2)),
        dy(random_tensor(y_shape(c), dtype, 3)) {}

  // As tensor cores see f32.
  Conv2dData as_tf32() const {
    Conv2dData result = *this;
    for (Tensor* tensor : {&result.x, &result.w, &result.dy}) {
      const std::vector<double> values = rounded_to_tf32(to_doubles(*tensor));
      *tensor = Tensor::from(std::vector<float>(values.begin(), values.end()), tensor->shape());
    }
    result.is_tf32 = true;
    return result;
  }

  Tensor x, w, dy;
  bool is_tf32 = false;
};

// f16 is for CUDA only.
inline std::vector<DType> narrow_dtypes(const Device& device) {
  if (device.is_cuda()) return {DType::bf16, DType::f16};
  return {DType::bf16};
}
inline std::vector<DType> conv2d_dtypes(const Device& device) {
  std::vector<DType> dtypes = narrow_dtypes(device);
  dtypes.push_back(DType::f32);
  return dtypes;
}

// Each direction by the definition, and STYLE.md's bounds around it: tensor cores, which see
// narrow types and tf32 only, accumulate with 2^-22.
struct Expected {
  std::vector<double> values, bounds;
};
inline Expected expected(std::int64_t terms, std::vector<double> values,
                         const std::vector<double>& magnitude, const Conv2dData& data, DType out) {
  const bool is_exact = data.x.dtype() == DType::f32 && !data.is_tf32;
  const std::int64_t accumulator = is_exact ? terms : 4 * (terms + 2) - 2;
  std::vector<double> bounds = product_bounds(accumulator, values, magnitude, out);
  return {std::move(values), std::move(bounds)};
}
inline Expected expected_y(const Conv2dCase& c, const Conv2dData& data) {
  const auto x = to_doubles(data.x), w = to_doubles(data.w);
  return expected(c.kh * c.kw * c.group_channels(), reference::conv2d(c, x, w),
                  reference::conv2d(c, absolute(x), absolute(w)), data, data.x.dtype());
}
inline Expected expected_dx(const Conv2dCase& c, const Conv2dData& data) {
  const auto dy = to_doubles(data.dy), w = to_doubles(data.w);
  return expected(
      c.kh * c.kw * c.out_channels / c.groups, reference::conv2d_backward_data(c, dy, w),
      reference::conv2d_backward_data(c, absolute(dy), absolute(w)), data, data.dy.dtype());
}
inline Expected expected_dw(const Conv2dCase& c, const Conv2dData& data) {
  const auto x = to_doubles(data.x), dy = to_doubles(data.dy);
  return expected(c.n * c.oh() * c.ow(), reference::conv2d_backward_weights(c, x, dy),
                  reference::conv2d_backward_weights(c, absolute(x), absolute(dy)), data,
                  DType::f32);
}

// relu(y + bias).
inline Expected expected_relu(const Conv2dCase& c, const Conv2dData& data, const Tensor& bias) {
  const auto x = to_doubles(data.x), w = to_doubles(data.w);
  auto values = reference::conv2d(c, x, w);
  auto magnitude = reference::conv2d(c, absolute(x), absolute(w));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double b = bias.span<float>()[i % c.out_channels];
    values[i] += b;
    magnitude[i] += std::abs(b);
  }
  Expected result =
      expected(c.kh * c.kw * c.group_channels() + 1, values, magnitude, data, data.x.dtype());
  for (double& value : result.values) value = std::max(value, 0.0);
  return result;
}

// An op run by interpret() with these inputs, which checks guard bands and repeats it.
inline Tensor run_on(const Device& device, std::shared_ptr<const Op> op,
                     const std::vector<Tensor>& inputs) {
  Graph graph;
  std::vector<Value> values;
  std::map<std::string, Tensor> given;
  for (const Tensor& input : inputs) {
    const std::string name = "input" + std::to_string(values.size());
    values.push_back(graph.input(name, input.shape(), input.dtype()));
    given[name] = input;
  }
  graph.output("y", graph.add1(std::move(op), values));
  return interpret(graph, given, nullptr, device)[0];
}

class Conv2dTest : public DeviceTest<Conv2dCase> {};

}  // namespace engine
