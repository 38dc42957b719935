#include "engine/kernels/unary.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "engine/core/autodiff.h"
#include "engine/kernels/binary.h"
#include "engine/kernels/reduce.h"
#include "tests/kernels/matrix_support.h"
#include "tests/reference/gradient_check.h"
#include "tests/reference/unary.h"
#include "tests/support/cases.h"
#include "tests/support/compare.h"
#include "tests/support/devices.h"
#include "tests/support/interpret.h"
#include "tests/support/random_tensor.h"

namespace engine {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

struct Case {
  const char* name;
  Value (*op)(const Value&);
  reference::Unary want;
  double ulps;  // of the forward function in f32
  RandomRange range = {-3, 3};
  double cuda_ulps = ulps;
  double ulps_on(const Device& device) const { return device.is_cuda() ? cuda_ulps : ulps; }
};
ENGINE_TEST_CASE_PRINTS_NAME(Case)

const Case kCases[] = {
    {"relu", relu, reference::kRelu, 0},
    {"sigmoid", sigmoid, reference::kSigmoid, 3},
    {"tanh", tanh, reference::kTanh, 3},
    {"exp", exp, reference::kExp, 1, {-3, 3}, 2},
    {"log", log, reference::kLog, 1, {0.01f, 9}},
    {"sqrt", sqrt, reference::kSqrt, 0.5, {0.01f, 9}},
    {"square", square, reference::kSquare, 0.5},
    {"abs", abs, reference::kAbs, 0},
    {"negate", [](const Value& x) { return -x; }, reference::kNegate, 0},
};

// Emulated devices are slow.
Shape large_shape(const Device& device) {
  return device.is_cpu() ? Shape{2, 40001} : Shape{2, 4001};
}

class Unary : public DeviceTest<Case> {};
INSTANTIATE_TEST_SUITE_P(Members, Unary, on_devices(kCases), device_case_name);

TEST_P(Unary, ForwardMatchesReference) {
  const Case& c = GetParam();
  for (DType dtype : {DType::f32, DType::bf16}) {
    for (const Shape& shape :
         {Shape{}, Shape{1}, Shape{3, 5, 7}, Shape{63}, Shape{65}, large_shape(device())}) {
      const Tensor x = random_tensor(shape, dtype, 7, c.range);
      Graph graph;
      graph.output("y", c.op(graph.input("x", shape, dtype)));
      std::vector<double> want, bound;
      for (double value : to_doubles(x)) {
        want.push_back(c.want.forward(value));
        const double ulp =
            std::ldexp(1.0, std::ilogb(want.back() == 0 ? 1e-300 : want.back()) - 23);
        const double rounding = dtype == DType::bf16 ? 0x1p-8 * std::abs(want.back()) : 0;
        bound.push_back(c.ulps_on(device()) * ulp + rounding);
      }
      const Tensor y = interpret(graph, {{"x", x}}, nullptr, device())[0];
      EXPECT_TRUE(close_to(y, want, bound)) << dtype << shape;
    }
  }
}

TEST_P(Unary, BackwardMatchesReference) {
  const Case& c = GetParam();
  for (DType dtype : {DType::f32, DType::bf16}) {
    for (const Shape& shape : {Shape{5, 13}, large_shape(device())}) {
      const Tensor x = random_tensor(shape, dtype, 8, c.range);
      const Tensor dy = random_tensor(shape, dtype, 9);
      Graph graph;
      Value in = graph.input("x", shape, dtype), y = c.op(in);
      const Value dx = gradients_of_node(y, graph.input("dy", shape, dtype))[0];
      graph.output("y", y);
      graph.output("dx", dx);
      const auto got = interpret(graph, {{"x", x}, {"dy", dy}}, nullptr, device());
      EXPECT_EQ(got[1].dtype(), dtype);
      const std::vector<double> xs = to_doubles(x), ys = to_doubles(got[0]), dys = to_doubles(dy);
      std::vector<double> want, bound;
      for (std::size_t i = 0; i < xs.size(); ++i) {
        const double slope = c.want.derivative(xs[i], ys[i]);
        want.push_back(dys[i] * slope);
        bound.push_back(error_bound(2, std::abs(dys[i]) * (1 + std::abs(slope)), want[i], dtype));
      }
      EXPECT_TRUE(close_to(got[1], want, bound)) << dtype << shape;
    }
  }
}

TEST_P(Unary, ReferenceDerivativeMatchesCentralDifferences) {
  const Case& c = GetParam();
  const auto x = to_doubles(random_tensor({50}, DType::f32, 3, c.range));
  const auto dy = to_doubles(random_tensor({50}, DType::f32, 4));
  reference::Doubles dx;
  for (std::size_t i = 0; i < x.size(); ++i) {
    dx.push_back(dy[i] * c.want.derivative(x[i], c.want.forward(x[i])));
  }
  const auto forward = [&](reference::Doubles values) {
    for (double& value : values) value = c.want.forward(value);
    return values;
  };
  EXPECT_LT(reference::worst_difference(dx, reference::central_differences(forward, x, dy)), 1e-5);
}

TEST_P(Unary, KeepsNanForwardAndBackward) {
  const Case& c = GetParam();
  for (DType dtype : {DType::f32, DType::bf16}) {
    Graph graph;
    Value x = graph.input("x", {20}, dtype), y = c.op(x);
    graph.output("y", y);
    graph.output("dx", gradients(sum(y), std::vector<Value>{x})[0]);
    std::vector<float> values(20, 1.0f);
    values[3] = values[18] = kNan;
    const Tensor in = Tensor::from(values, {20}).to(dtype);
    const auto got = interpret(graph, {{"x", in}}, nullptr, device());
    const std::vector<float> ys = got[0].to_floats(), dxs = got[1].to_floats();
    for (std::size_t i = 0; i < 20; ++i) EXPECT_EQ(std::isnan(ys[i]), i == 3 || i == 18) << i;
    if (std::string(c.name) == "relu" || std::string(c.name) == "negate") continue;  // dx = dy, -dy
    for (std::size_t i = 0; i < 20; ++i) EXPECT_EQ(std::isnan(dxs[i]), i == 3 || i == 18) << i;
  }
}

TEST_P(Unary, TakesAnEmptyBatch) {
  Graph graph;
  graph.output("y", GetParam().op(graph.input("x", {0, 4})));
  const Tensor x = Tensor::zeros({0, 4}, DType::f32, Device::cpu());
  EXPECT_EQ(interpret(graph, {{"x", x}}, nullptr, device())[0].shape(), (Shape{0, 4}));
}

TEST_P(Unary, RefusesIntegers) {
  Graph graph;
  try {
    GetParam().op(graph.input("x", {2}, DType::i32));
    FAIL() << "accepted";
  } catch (const InvalidArgument& error) {
    EXPECT_NE(std::string(error.what()).find("not i32[2]"), std::string::npos) << error.what();
  }
}

// autodiff makes a unary of it instead.
TEST(UnaryBackward, NegateTakesTheSignOfEachGradient) {
  for (const Device& device : test_devices()) {
    for (DType dtype : {DType::f32, DType::bf16}) {
      const Tensor dy = random_tensor({77}, dtype, 1), x = random_tensor({77}, dtype, 2);
      Graph graph;
      const Value dx =
          graph.add1(std::make_shared<UnaryBackwardOp>(UnaryMember::negate),
                     {graph.input("dy", {77}, dtype), graph.input("x", {77}, dtype)}, "dx");
      graph.output("dx", dx);
      std::vector<double> want = to_doubles(dy);
      for (double& value : want) value = -value;
      const auto got = interpret(graph, {{"dy", dy}, {"x", x}}, nullptr, device);
      EXPECT_TRUE(close_to(got[0], want, 0.0)) << dtype;
    }
  }
}

class UnaryLimits : public testing::TestWithParam<Device> {};
INSTANTIATE_TEST_SUITE_P(Devices, UnaryLimits, testing::ValuesIn(test_devices()), device_name);

TEST_P(UnaryLimits, AtInfinityZeroAndSubnormals) {
  const float tiny = std::numeric_limits<float>::denorm_min();
  const std::vector<float> values = {0,      -0.0f,  kInfinity, -kInfinity, tiny,    -tiny,
                                     88.7f,  89,     -103,      -104,       3.4e38f, -3.4e38f,
                                     1e-38f, 1e-40f, -87.5f,    16,         -1};
  const Shape shape{static_cast<std::int64_t>(values.size())};
  Graph graph;
  Value x = graph.input("x", shape);
  for (const Case& c : kCases) graph.output(c.name, c.op(x));
  const auto got = interpret(graph, {{"x", Tensor::from(values, shape)}}, nullptr, GetParam());
  for (std::size_t k = 0; k < std::size(kCases); ++k) {
    std::vector<double> want, bound;
    for (float value : values) {
      const double y = kCases[k].want.forward(value);
      want.push_back(std::isfinite(static_cast<float>(y)) ? y : static_cast<float>(y));
      const int exponent = y == 0 || !std::isfinite(y) ? -200 : std::ilogb(y);
      bound.push_back(kCases[k].ulps_on(GetParam()) *
                      std::ldexp(1.0, std::max(exponent - 23, -149)));
    }
    want[3] =
        std::string(kCases[k].name) == "sigmoid" ? 0 : want[3];  // exp(-inf) / (1 + exp(-inf))
    EXPECT_TRUE(close_to(got[k], want, bound)) << kCases[k].name;
  }
}

// The stated ulp bounds over the whole range of f32: every 4,099th number, or on CUDA, which may be
// emulated, every 65,537th.
TEST_P(UnaryLimits, UlpBoundsHoldOverTheWholeRange) {
  const std::uint64_t step = GetParam().is_cuda() ? 65537 : 4099;
  std::vector<float> values;
  for (std::uint64_t bits = 0; bits < (std::uint64_t{1} << 32); bits += step) {
    const auto value = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
    if (!std::isnan(value)) values.push_back(value);
  }
  const Shape shape{static_cast<std::int64_t>(values.size())};
  Graph graph;
  Value x = graph.input("x", shape);
  std::vector<const Case*> cases;
  for (const Case& c : kCases) {
    if (c.ulps < 1) continue;
    cases.push_back(&c);
    graph.output(c.name, c.op(x));
  }
  const auto got = interpret(graph, {{"x", Tensor::from(values, shape)}}, nullptr, GetParam());
  for (std::size_t k = 0; k < cases.size(); ++k) {
    const auto results = got[k].span<float>();
    double worst = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double want = cases[k]->want.forward(values[i]);
      const auto rounded = static_cast<float>(want);
      if (std::isnan(want)) {
        ASSERT_TRUE(std::isnan(results[i])) << cases[k]->name << ' ' << values[i];
      } else if (!std::isfinite(rounded)) {
        ASSERT_EQ(results[i], rounded) << cases[k]->name << ' ' << values[i];
      } else if (rounded == 0) {
        ASSERT_LE(std::abs(results[i]), 1e-44) << cases[k]->name << ' ' << values[i];
      } else {
        const double ulp = std::ldexp(1.0, std::max(std::ilogb(want) - 23, -149));
        worst = std::max(worst, std::abs(results[i] - want) / ulp);
      }
    }
    EXPECT_LE(worst, cases[k]->ulps_on(GetParam())) << cases[k]->name;
  }
}

}  // namespace
}  // namespace engine
