#include "engine/kernels/batch_norm.h"

#include <cmath>

#include <gtest/gtest.h>

#include "engine/core/autodiff.h"
#include "engine/core/passes.h"
#include "engine/kernels/binary.h"
#include "engine/kernels/reduce.h"
#include "tests/kernels/matrix_support.h"
#include "tests/reference/batch_norm.h"
#include "tests/reference/gradient_check.h"
#include "tests/support/cases.h"
#include "tests/support/compare.h"
#include "tests/support/devices.h"
#include "tests/support/interpret.h"
#include "tests/support/random_tensor.h"
#include "tests/support/torch_vectors.h"

namespace engine {
namespace {

constexpr float kEpsilon = 1e-3f;

struct Case {
  const char* name;
  Shape x;
  RandomRange range = {-1, 2};
};
ENGINE_TEST_CASE_PRINTS_NAME(Case)

const Case kCases[] = {
    {"images", {3, 5, 4, 6}},
    {"rows", {17, 9}},
    {"one_channel", {50, 1}},
    {"channels_32", {5, 13, 11, 32}},
    {"channels_3_odd", {2, 37, 41, 3}},
    {"channels_700", {7, 700}},
    {"channels_31", {3, 43, 31}},
    {"channels_33", {3, 43, 33}},
    {"channels_257", {19, 257}},
    {"channels_1030", {9, 1030}},
    {"large_mean", {64, 31, 7}, {1000, 1002}},
    {"two_rows", {2, 5}},
};

const Case kLargeCases[] = {
    {"channels_32_parallel", {9, 21, 20, 32}},
    {"channels_700", {70, 700}},
};

class BatchNorm : public DeviceTest<Case> {};
INSTANTIATE_TEST_SUITE_P(Shapes, BatchNorm, on_devices(kCases), device_case_name);
INSTANTIATE_TEST_SUITE_P(Large, BatchNorm, on_cpu(kLargeCases), device_case_name);

class BatchNormLimits : public testing::TestWithParam<Device> {};
INSTANTIATE_TEST_SUITE_P(Devices, BatchNormLimits, testing::ValuesIn(test_devices()), device_name);

// y, mean, variance, dx, dscale, dshift.
Graph training_graph(const Shape& shape, DType dtype) {
  Graph graph;
  Value x = graph.input("x", shape, dtype);
  Value scale = graph.input("scale", {shape[-1]}), shift = graph.input("shift", {shape[-1]});
  const BatchNormResult result = batch_norm_training(x, scale, shift, kEpsilon);
  const auto grads = gradients_of_node(result.y, graph.input("dy", shape, dtype));
  graph.output("y", result.y);
  graph.output("mean", result.mean);
  graph.output("variance", result.variance);
  graph.output("dx", grads[0]);
  graph.output("dscale", grads[1]);
  graph.output("dshift", grads[2]);
  return graph;
}

TEST_P(BatchNorm, TrainingMatchesReference) {
  const Case& c = GetParam();
  const std::int64_t channels = c.x[-1], rows = c.x.elements() / channels;
  const reference::BatchNorm reference{static_cast<std::size_t>(channels), kEpsilon};
  for (DType dtype : {DType::f32, DType::bf16}) {
    const Tensor x = random_tensor(c.x, dtype, 1, c.range);
    const Tensor dy = random_tensor(c.x, dtype, 2);
    const Tensor scale = random_tensor({channels}, DType::f32, 3, {0.5f, 2});
    const Tensor shift = random_tensor({channels}, DType::f32, 4);
    const Graph graph = training_graph(c.x, dtype);
    const auto got = interpret(graph, {{"x", x}, {"dy", dy}, {"scale", scale}, {"shift", shift}},
                               nullptr, device());

    const auto xs = to_doubles(x), dys = to_doubles(dy), scales = to_doubles(scale);
    const auto s = reference.statistics(xs);
    const auto y = reference.forward(xs, s, scales, to_doubles(shift));
    const auto hat = reference.normalized(xs, s);
    const auto g = reference.backward(xs, scales, dys);
    const double terms = std::min<double>(static_cast<double>(rows), 100) + 8;
    const double eps = terms * 0x1p-24;
    std::vector<double> mean_bound, variance_bound, y_bound, dx_bound, sum_bound, product_bound;
    for (std::size_t i = 0; i < static_cast<std::size_t>(channels); ++i) {
      // Values of bf16 near 1000 are 4 apart: their variance is that of the rounded ones.
      const double largest = std::max(std::abs(c.range.low), std::abs(c.range.high));
      mean_bound.push_back(eps * largest);
      const double mean_error = mean_bound.back();
      variance_bound.push_back(eps * (s.variance[i] + 1e-3) + mean_error * mean_error);
    }
    const auto relative = [&](std::size_t ch) {
      const double deviation = std::sqrt(s.variance[ch] + kEpsilon);
      return eps + mean_bound[ch] / deviation;  // of a normalised value
    };
    for (std::size_t i = 0; i < xs.size(); ++i) {
      const std::size_t ch = i % static_cast<std::size_t>(channels);
      y_bound.push_back(2 * relative(ch) * (1 + std::abs(hat[i])) * scales[ch] +
                        2 * rounding_of(dtype) * std::abs(y[i]) + eps);
      const double factor = scales[ch] / std::sqrt(s.variance[ch] + kEpsilon);
      dx_bound.push_back(8 * relative(ch) * factor * (2 + std::abs(hat[i])) +
                         2 * rounding_of(dtype) * std::abs(g.dx[i]));
    }
    for (std::size_t ch = 0; ch < static_cast<std::size_t>(channels); ++ch) {
      sum_bound.push_back(eps * static_cast<double>(rows));
      product_bound.push_back(4 * relative(ch) * static_cast<double>(rows));
    }
    EXPECT_TRUE(close_to(got[0], y, y_bound)) << dtype;
    EXPECT_TRUE(close_to(got[1], s.mean, mean_bound)) << dtype;
    EXPECT_TRUE(close_to(got[2], s.variance, variance_bound)) << dtype;
    EXPECT_TRUE(close_to(got[3], g.dx, dx_bound)) << dtype;
    EXPECT_TRUE(close_to(got[4], g.dscale, product_bound)) << dtype;
    EXPECT_TRUE(close_to(got[5], g.dshift, sum_bound)) << dtype;
  }
}

TEST(BatchNormReference, GradientsMatchCentralDifferences) {
  const reference::BatchNorm reference{3, kEpsilon};
  const auto x = to_doubles(random_tensor({7, 3}, DType::f32, 1));
  const auto dy = to_doubles(random_tensor({7, 3}, DType::f32, 2));
  const auto scale = to_doubles(random_tensor({3}, DType::f32, 3));
  const auto shift = to_doubles(random_tensor({3}, DType::f32, 4));
  const auto g = reference.backward(x, scale, dy);
  const auto of_x = [&](const reference::Doubles& v) {
    return reference.forward(v, reference.statistics(v), scale, shift);
  };
  const auto of_scale = [&](const reference::Doubles& v) {
    return reference.forward(x, reference.statistics(x), v, shift);
  };
  const auto of_shift = [&](const reference::Doubles& v) {
    return reference.forward(x, reference.statistics(x), scale, v);
  };
  using reference::central_differences;
  using reference::worst_difference;
  EXPECT_LT(worst_difference(g.dx, central_differences(of_x, x, dy)), 1e-6);
  EXPECT_LT(worst_difference(g.dscale, central_differences(of_scale, scale, dy)), 1e-6);
  EXPECT_LT(worst_difference(g.dshift, central_differences(of_shift, shift, dy)), 1e-6);
}

class BatchNormTorch : public testing::TestWithParam<Device> {};
INSTANTIATE_TEST_SUITE_P(Devices, BatchNormTorch, testing::ValuesIn(test_devices()), device_name);

TEST_P(BatchNormTorch, ForwardAndGradientsAgree) {
  const TorchVectors torch("batch_norm");
  const Shape& shape = torch["x"].shape();
  std::map<std::string, Tensor> inputs = {
      {"x", torch["x"]}, {"scale", torch["scale"]}, {"shift", torch["shift"]}, {"dy", torch["dy"]}};
  const Graph training = training_graph(shape, DType::f32);
  const auto got = interpret(training, inputs, nullptr, GetParam());
  for (const auto& [index, name] : {std::pair{0, "y"}, {3, "dx"}, {4, "dscale"}, {5, "dshift"}}) {
    EXPECT_TRUE(close_to(got[static_cast<std::size_t>(index)], to_doubles(torch[name]), 1e-5))
        << name;
  }

  Graph inference;
  Value x = inference.input("x", shape), dy = inference.input("dy", shape);
  Value scale = inference.input("scale", {shape[-1]}),
        shift = inference.input("shift", {shape[-1]});
  Value y = batch_norm_inference(x, scale, shift, inference.input("running_mean", {shape[-1]}),
                                 inference.input("running_var", {shape[-1]}), kEpsilon);
  const auto grads = gradients(sum(y * dy), std::vector<Value>{x, scale, shift});
  inference.output("inference.y", y);
  inference.output("inference.dx", grads[0]);
  inference.output("inference.dscale", grads[1]);
  inference.output("inference.dshift", grads[2]);
  inputs["running_mean"] = torch["running_mean"];
  inputs["running_var"] = torch["running_var"];
  const auto results = interpret(inference, inputs, nullptr, GetParam());
  for (std::size_t i = 0; i < results.size(); ++i) {
    const std::string& name = inference.outputs()[i].first;
    EXPECT_TRUE(close_to(results[i], to_doubles(torch[name]), 2e-5)) << name;
  }
}

TEST_P(BatchNormLimits, NanStaysInItsChannel) {
  const Graph graph = training_graph({4, 3}, DType::f32);
  std::vector<float> values = random_tensor({4, 3}, DType::f32, 1).to_floats();
  values[4] = std::nanf("");
  const Tensor ones = Tensor::from(std::vector<float>{1, 1, 1}, {3});
  const auto got = interpret(graph,
                             {{"x", Tensor::from(values, {4, 3})},
                              {"dy", random_tensor({4, 3}, DType::f32, 2)},
                              {"scale", ones},
                              {"shift", ones}},
                             nullptr, GetParam());
  for (std::size_t i = 0; i < 12; ++i) {
    EXPECT_EQ(std::isnan(got[0].to_floats()[i]), i % 3 == 1) << i;
    EXPECT_EQ(std::isnan(got[3].to_floats()[i]), i % 3 == 1) << i;
  }
}

TEST_P(BatchNormLimits, EmptyBatchHasNoStatistics) {
  const Graph graph = training_graph({0, 3}, DType::f32);
  const Tensor none = Tensor::zeros({0, 3}, DType::f32, Device::cpu());
  const Tensor ones = Tensor::from(std::vector<float>{1, 1, 1}, {3});
  const auto got = interpret(graph, {{"x", none}, {"dy", none}, {"scale", ones}, {"shift", ones}},
                             nullptr, GetParam());
  EXPECT_TRUE(close_to(got[1], std::vector<double>(3, std::nan("")), 0.0));
  EXPECT_TRUE(close_to(got[5], std::vector<double>(3, 0.0), 0.0));
}

TEST(BatchNormErrors, NamesWhatDoesNotFit) {
  Graph graph;
  Value x = graph.input("x", {2, 3}), four = graph.input("s", {4}), three = graph.input("t", {3});
  try {
    batch_norm_training(x, three, four, kEpsilon);
    FAIL() << "accepted";
  } catch (const InvalidArgument& error) {
    EXPECT_NE(std::string(error.what()).find("input 2 is f32[4] with x f32[2, 3]"),
              std::string::npos)
        << error.what();
  }
  EXPECT_THROW(batch_norm_training(x, three, three, 0), InvalidArgument);
}

}  // namespace
}  // namespace engine
