#include "engine/kernels/gram.h"

#include <cmath>

#include <gtest/gtest.h>

#include "engine/core/autodiff.h"
#include "engine/kernels/binary.h"
#include "engine/kernels/compile.h"
#include "engine/kernels/reduce.h"
#include "tests/reference/gradient_check.h"
#include "tests/reference/gram.h"
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
  float scale;
};
ENGINE_TEST_CASE_PRINTS_NAME(Case)

const Case kCases[] = {{"one_channel", {1, 3, 5, 1}, 1},
                       {"one_row", {1, 1, 1, 7}, 0.5f},
                       {"odd_sizes", {1, 7, 5, 11}, 0.125f},
                       {"batch", {3, 4, 2, 8}, 2},
                       {"matrix", {33, 17}, 1},
                       {"wide", {1, 3, 4, 130}, 0.01f},
                       {"panels", {1, 3, 5, 64}, 0.1f},
                       {"rows_of_many_parts", {1, 48, 35, 16}, 4e-3f}};
const Case kLargeCases[] = {{"many_rows", {1, 96, 70, 16}, 1e-3f}};

class Gram : public DeviceTest<Case> {
 protected:
  reference::Gram reference() const {
    const Shape& x = GetParam().x;
    return {x.elements() / x[-1], x[-1], GetParam().scale};
  }
};
INSTANTIATE_TEST_SUITE_P(Shapes, Gram, on_devices(kCases), device_case_name);
INSTANTIATE_TEST_SUITE_P(LargeShapes, Gram, on_cpu(kLargeCases), device_case_name);

class GramLimits : public testing::TestWithParam<Device> {};
INSTANTIATE_TEST_SUITE_P(Devices, GramLimits, testing::ValuesIn(test_devices()), device_name);

std::vector<double> absolute(std::vector<double> values) {
  for (double& value : values) value = std::abs(value);
  return values;
}

TEST_P(Gram, ForwardAndBackwardMatchReference) {
  const Case& c = GetParam();
  const reference::Gram want = reference();
  for (DType dtype : {DType::f32, DType::bf16}) {
    Graph graph;
    const Value x = graph.input("x", c.x, dtype), y = gram(x, c.scale);
    ASSERT_EQ(y.type(), (TensorType{{c.x[-1], c.x[-1]}, DType::f32}));
    const Value dy = graph.input("dy", y.shape());
    graph.output("y", y);
    graph.output("dx", gradients(sum(y * dy), std::vector<Value>{x})[0]);
    const Tensor x_value = random_tensor(c.x, dtype, 1);
    const Tensor dy_value = random_tensor(y.shape(), DType::f32, 2);
    const auto got = interpret(graph, {{"x", x_value}, {"dy", dy_value}}, nullptr, device());
    const auto xs = to_doubles(x_value), dys = to_doubles(dy_value);
    const auto y_want = want.forward(xs), y_size = want.forward(absolute(xs));
    const auto dx_want = want.backward(xs, dys);
    const auto dx_size = want.backward(absolute(xs), absolute(dys));
    std::vector<double> y_bound, dx_bound;
    for (std::size_t i = 0; i < y_want.size(); ++i) {
      y_bound.push_back(error_bound(static_cast<double>(want.rows), y_size[i], y_want[i]));
    }
    // dy + dy^T is rounded to x's type before the product.
    for (std::size_t i = 0; i < dx_want.size(); ++i) {
      dx_bound.push_back(
          error_bound(static_cast<double>(want.channels) + 2, dx_size[i], dx_want[i], dtype) +
          rounding_of(dtype) * dx_size[i]);
    }
    EXPECT_TRUE(close_to(got[0], y_want, y_bound)) << dtype;
    EXPECT_TRUE(close_to(got[1], dx_want, dx_bound)) << dtype;
  }
}

TEST(GramReference, GradientMatchesCentralDifferences) {
  const reference::Gram gram{5, 4, 0.7};
  const auto x = to_doubles(random_tensor({5, 4}, DType::f32, 1));
  const auto dy = to_doubles(random_tensor({4, 4}, DType::f32, 2));
  EXPECT_LT(reference::worst_difference(
                gram.backward(x, dy),
                reference::central_differences(
                    [&](const reference::Doubles& values) { return gram.forward(values); }, x, dy)),
            1e-8);
}

// What gradients of the losses below it are added to: one product, not two, and no transposition.
TEST(GramPlan, BackwardIsOneProductInTheActivationsType) {
  Graph graph;
  const Value x = graph.input("x", {1, 8, 8, 32});
  const Value y = gram(x * x, 0.1f);
  graph.output("dx", gradients(sum(y), std::vector<Value>{x})[0]);
  Store store(Device::cpu());
  const Executable step = compile(graph, store, {.precision = Precision::f32});
  int products = 0;
  for (const Node& node : step.graph().nodes()) {
    products += node.op->name() == "gram_backward" || node.op->name() == "matmul" ? 1 : 0;
  }
  EXPECT_EQ(products, 1);
}

TEST_P(GramLimits, NanReachesItsRowAndColumn) {
  std::vector<float> values(3 * 4 * 8, 0.5f);
  values[2] = NAN;
  Graph graph;
  graph.output("y", gram(graph.input("x", {12, 8})));
  const auto got =
      interpret(graph, {{"x", Tensor::from(values, {12, 8})}}, nullptr, GetParam())[0].to_floats();
  for (int i = 0; i < 8; ++i) {
    for (int j = 0; j < 8; ++j) EXPECT_EQ(std::isnan(got[i * 8 + j]), i == 2 || j == 2);
  }
}

TEST(GramErrors, NamesWhatDoesNotFit) {
  Graph graph;
  const auto message = [](const Value& x) -> std::string {
    try {
      gram(x);
    } catch (const InvalidArgument& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_NE(message(graph.input("a", {8})).find("gram: x f32[8] must be [..., channels]"),
            std::string::npos);
  EXPECT_NE(message(graph.input("b", {2, 3}, DType::i32)).find("takes f32 or bf16, not i32[2, 3]"),
            std::string::npos);
}

}  // namespace
}  // namespace engine
