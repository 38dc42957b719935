#include <algorithm>
#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "engine/core/structural_ops.h"
#include "tests/support/cases.h"
#include "tests/support/compare.h"
#include "tests/support/devices.h"
#include "tests/support/interpret.h"
#include "tests/support/random_tensor.h"

namespace engine {
namespace {

constexpr DType kTypes[] = {DType::f32, DType::bf16, DType::f16,
                            DType::i32, DType::u8,   DType::boolean};

bool is_floating(DType dtype) {
  return dtype == DType::f32 || dtype == DType::bf16 || dtype == DType::f16;
}

// The definition in structural_ops.h, except for the rounding to bf16 and f16.
double converted(double value, DType to) {
  if (to == DType::boolean) return value != 0;
  if (is_floating(to)) return value;
  if (std::isnan(value)) return 0;
  const double low = to == DType::u8 ? 0 : std::numeric_limits<std::int32_t>::min();
  const double high = to == DType::u8 ? 255 : 0x1p31;  // 2^31 - 1, read as a float
  return std::clamp(std::trunc(value), low, high);
}

// Halves, ties, limits and what is beyond them, then enough for whole packs and a rest.
Tensor cast_source(DType dtype) {
  std::vector<float> values = {0,     -0.0f,   1,     -1,          0.5f,       -0.5f,
                               1.5f,  254.9f,  255,   256,         -300,       1e9f,
                               -1e9f, 0.0009f, 65504, 1.00390625f, 1.01171875f};
  if (is_floating(dtype)) {
    values.insert(values.end(), {NAN, INFINITY, -INFINITY, 0x1p31f, -0x1p31f, 3e9f, -3e9f});
  }
  for (int i = 0; i < 4000; ++i) values.push_back(static_cast<float>(i % 997) * 0.37f - 100);
  return Tensor::from(values, {static_cast<std::int64_t>(values.size())}).to(dtype);
}

TEST(Cast, EveryPairOfTypesOnEveryDevice) {
  for (const Device& device : test_devices()) {
    for (const DType from : kTypes) {
      const Tensor x = cast_source(from);
      for (const DType to : kTypes) {
        if (from == to) continue;
        SCOPED_TRACE(testing::Message() << from << " -> " << to << " on " << device);
        Graph graph;
        graph.output("y", cast(graph.input("x", x.shape(), from), to));
        const Tensor y = interpret(graph, {{"x", x}}, nullptr, device)[0];
        ASSERT_EQ(y.dtype(), to);
        std::vector<double> want = to_doubles(x), bound;
        for (double& value : want) {
          value = converted(value, to);
          if (to == DType::f16 && std::fabs(value) >= 65520) value = std::copysign(INFINITY, value);
          const double smallest = to == DType::f16 ? 0x1p-25 : 0;  // half of a subnormal's step
          bound.push_back(is_floating(to) && std::isfinite(value)
                              ? rounding_of(to) * std::fabs(value) + smallest
                              : 0);
        }
        EXPECT_TRUE(close_to(y, want, bound));
      }
    }
  }
}

TEST(Cast, RoundsTiesToEven) {
  const Tensor x = Tensor::from(std::vector<float>{1.00390625f, 1.01171875f}, {2});
  for (const Device& device : test_devices()) {
    Graph graph;
    graph.output("y", cast(graph.input("x", {2}), DType::bf16));
    const Tensor y = interpret(graph, {{"x", x}}, nullptr, device)[0];
    EXPECT_TRUE(close_to(y, std::vector<double>{1, 1.015625}, 0.0)) << device;
  }
}

struct AddCase {
  const char* name;
  Shape shape;
  DType dtype;
  int terms;
};
ENGINE_TEST_CASE_PRINTS_NAME(AddCase)

const AddCase kAddCases[] = {
    {"two", {3, 7}, DType::f32, 2},          {"three_whole_packs", {64}, DType::f32, 3},
    {"scalar", {}, DType::f32, 2},           {"empty", {0, 3}, DType::f32, 2},
    {"bf16", {9, 31}, DType::bf16, 5},       {"a_hundred", {33}, DType::bf16, 100},
    {"parallel", {41, 1999}, DType::f32, 2},
};

class AddN : public DeviceTest<AddCase> {};

TEST_P(AddN, AddsInOrder) {
  const AddCase& test = GetParam();
  Graph graph;
  std::vector<Value> terms;
  std::map<std::string, Tensor> inputs;
  std::vector<float> want(static_cast<std::size_t>(test.shape.elements()));
  for (int i = 0; i < test.terms; ++i) {
    const std::string name = join("x", i);
    terms.push_back(graph.input(name, test.shape, test.dtype));
    inputs[name] = random_tensor(test.shape, test.dtype, static_cast<std::uint32_t>(i + 1));
    const std::vector<float> values = inputs[name].to_floats();
    for (std::size_t k = 0; k < want.size(); ++k) want[k] += values[k];
  }
  graph.output("y", add_n(terms));
  const Tensor y = interpret(graph, inputs, nullptr, device())[0];
  EXPECT_TRUE(same_bits(y, Tensor::from(want, test.shape).to(test.dtype)));
}

INSTANTIATE_TEST_SUITE_P(Table, AddN, on_devices(kAddCases), device_case_name);

TEST(AddNOfMinusZero, StaysMinusZero) {
  const Tensor x = Tensor::from(std::vector<float>{-0.0f}, {1});
  for (const Device& device : test_devices()) {
    Graph graph;
    graph.output("y", add_n({graph.input("a", {1}), graph.input("b", {1})}));
    const Tensor y = interpret(graph, {{"a", x}, {"b", x}}, nullptr, device)[0];
    EXPECT_TRUE(same_bits(y, x)) << device;
  }
}

}  // namespace
}  // namespace engine
