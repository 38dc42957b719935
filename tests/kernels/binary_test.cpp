#include "engine/kernels/binary.h"

#include <cmath>
#include <limits>
#include <set>

#include <gtest/gtest.h>

#include "engine/core/autodiff.h"
#include "engine/core/passes.h"
#include "engine/core/source_ops.h"
#include "engine/kernels/reduce.h"
#include "tests/kernels/matrix_support.h"
#include "tests/reference/gradient_check.h"
#include "tests/support/cases.h"
#include "tests/support/compare.h"
#include "tests/support/devices.h"
#include "tests/support/interpret.h"
#include "tests/support/random_tensor.h"

namespace engine {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

struct Member {
  const char* name;
  Value (*op)(const Value&, const Value&);
  double (*forward)(double a, double b);
  double (*slope_a)(double a, double b);
  double (*slope_b)(double a, double b);
};

const Member kMembers[] = {
    {"add", add, [](double a, double b) { return a + b; }, [](double, double) { return 1.0; },
     [](double, double) { return 1.0; }},
    {"subtract", subtract, [](double a, double b) { return a - b; },
     [](double, double) { return 1.0; }, [](double, double) { return -1.0; }},
    {"multiply", multiply, [](double a, double b) { return a * b; },
     [](double, double b) { return b; }, [](double a, double) { return a; }},
    {"divide", divide, [](double a, double b) { return a / b; },
     [](double, double b) { return 1 / b; }, [](double a, double b) { return -a / (b * b); }},
    {"maximum", maximum, [](double a, double b) { return a < b ? b : a; },
     [](double a, double b) { return a < b ? 0.0 : 1.0; },
     [](double a, double b) { return a < b ? 1.0 : 0.0; }},
    {"minimum", minimum, [](double a, double b) { return b < a ? b : a; },
     [](double a, double b) { return b < a ? 0.0 : 1.0; },
     [](double a, double b) { return b < a ? 1.0 : 0.0; }},
};

struct Case {
  const char* name;
  Shape a, b;
  DType a_type = DType::f32, b_type = DType::f32;
};
ENGINE_TEST_CASE_PRINTS_NAME(Case)

const Case kCases[] = {
    {"equal", {3, 5, 7}, {3, 5, 7}},
    {"equal_bf16", {3, 5, 7}, {3, 5, 7}, DType::bf16, DType::bf16},
    {"scalars", {}, {}},
    {"scalar_b", {3, 5}, {}},
    {"scalar_a", {}, {3, 5}},
    {"channels_b", {2, 3, 5, 3}, {3}},
    {"channels_a", {3}, {2, 3, 5, 3}},
    {"two_axes", {4, 3, 5}, {3, 5}},
    {"channels_of_one", {4, 1}, {1}},
    {"bias_of_700", {11, 700}, {700}},
    {"bias_f32_beside_bf16", {5, 9, 8}, {8}, DType::bf16, DType::f32},
    {"bias_bf16", {8}, {5, 9, 8}, DType::bf16, DType::bf16},
    {"bias_of_31", {9, 7, 31}, {31}},
    {"bias_of_33_bf16", {9, 7, 33}, {33}, DType::bf16, DType::bf16},
    {"bias_of_257", {257}, {13, 257}},
    {"scalar_f32_beside_bf16", {5, 9, 3}, {}, DType::bf16, DType::f32},
    {"rows_b", {7, 5}, {7, 1}},
    {"rows_a_bf16", {9, 1}, {9, 8}, DType::bf16, DType::bf16},
    {"pixels_f32_beside_bf16", {1, 6, 5, 40}, {1, 6, 5, 1}, DType::bf16, DType::f32},
    {"images_b", {3, 5, 2, 4}, {3, 1, 1, 4}},
    {"images_a", {3, 1, 1, 33}, {3, 5, 2, 33}},
    {"first_axis", {4, 3, 5}, {1, 3, 5}},
    {"one_of_many", {11}, {1}},
    {"rows_of_700_bf16", {3, 2, 700}, {3, 1, 700}, DType::bf16, DType::bf16},
};

const Case kLargeCases[] = {
    {"bias_of_32_parallel", {41, 17, 3, 32}, {32}},
    {"bias_of_700_parallel", {60, 700}, {700}},
    {"pixels_parallel", {1, 50, 51, 32}, {1, 50, 51, 1}},
    {"images_parallel", {5, 101, 100}, {5, 1, 100}},
    {"equal_parallel", {70001}, {70001}},
};

// Where element i of a tensor of shape `large` finds its operand of shape `small`.
std::size_t repeated_index(const Shape& small, const Shape& large, std::size_t i) {
  auto rest = static_cast<std::int64_t>(i);
  std::int64_t index = 0, stride = 1;
  for (int axis = 1; axis <= small.rank(); ++axis) {
    const std::int64_t extent = small[small.rank() - axis];
    index += rest % large[large.rank() - axis] % extent * stride;
    rest /= large[large.rank() - axis];
    stride *= extent;
  }
  return static_cast<std::size_t>(index);
}

class Binary : public DeviceTest<Case> {};
INSTANTIATE_TEST_SUITE_P(Shapes, Binary, on_devices(kCases), device_case_name);
INSTANTIATE_TEST_SUITE_P(Large, Binary, on_cpu(kLargeCases), device_case_name);

TEST_P(Binary, MatchesReference) {
  const Case& c = GetParam();
  const bool a_large = c.a.elements() >= c.b.elements();
  const Shape& shape = a_large ? c.a : c.b;
  const DType dtype = a_large ? c.a_type : c.b_type;
  const Tensor a = random_tensor(c.a, c.a_type, 1, {0.5f, 2});
  const Tensor b = random_tensor(c.b, c.b_type, 2, {0.5f, 2});
  const Tensor dy = random_tensor(shape, dtype, 3);
  const auto as = to_doubles(a), bs = to_doubles(b), dys = to_doubles(dy);
  for (const Member& member : kMembers) {
    Graph graph;
    Value va = graph.input("a", c.a, c.a_type), vb = graph.input("b", c.b, c.b_type);
    Value y = member.op(va, vb);
    EXPECT_EQ(y.type(), (TensorType{shape, dtype}));
    const auto grads = gradients_of_node(y, graph.input("dy", shape, dtype));
    graph.output("y", y);
    graph.output("da", grads[0]);
    graph.output("db", grads[1]);
    const auto got = interpret(graph, {{"a", a}, {"b", b}, {"dy", dy}}, nullptr, device());

    const auto count = static_cast<std::size_t>(shape.elements());
    std::vector<double> want(count), bound(count);
    std::vector<double> da(as.size()), da_sum(as.size()), db(bs.size()), db_sum(bs.size());
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t at_a = repeated_index(c.a, shape, i), at_b = repeated_index(c.b, shape, i);
      const double x = as[at_a], z = bs[at_b];
      want[i] = member.forward(x, z);
      bound[i] = error_bound(0, std::abs(want[i]), want[i], dtype);
      da[at_a] += dys[i] * member.slope_a(x, z);
      db[at_b] += dys[i] * member.slope_b(x, z);
      da_sum[at_a] += std::abs(dys[i] * member.slope_a(x, z));
      db_sum[at_b] += std::abs(dys[i] * member.slope_b(x, z));
    }
    EXPECT_TRUE(close_to(got[0], want, bound)) << member.name;
    // Up to three roundings to the storage type on the way of each term.
    const double slack = 4 * rounding_of(dtype);
    const auto gradient_bound = [&](const std::vector<double>& sums) {
      std::vector<double> result;
      for (double magnitude : sums) {
        const double terms = static_cast<double>(count) / static_cast<double>(sums.size());
        result.push_back(error_bound(terms + 4, magnitude, magnitude) + slack * magnitude);
      }
      return result;
    };
    EXPECT_TRUE(close_to(got[1], da, gradient_bound(da_sum))) << member.name;
    EXPECT_TRUE(close_to(got[2], db, gradient_bound(db_sum))) << member.name;
  }
}

TEST(BinaryReference, SlopesMatchCentralDifferences) {
  const auto a = to_doubles(random_tensor({40}, DType::f32, 1, {0.5f, 2}));
  const auto b = to_doubles(random_tensor({40}, DType::f32, 2, {0.5f, 2}));
  const std::vector<double> ones(40, 1.0);
  for (const Member& member : kMembers) {
    std::vector<double> da, db;
    for (std::size_t i = 0; i < a.size(); ++i) {
      da.push_back(member.slope_a(a[i], b[i]));
      db.push_back(member.slope_b(a[i], b[i]));
    }
    const auto of_a = [&](std::vector<double> x) {
      for (std::size_t i = 0; i < x.size(); ++i) x[i] = member.forward(x[i], b[i]);
      return x;
    };
    const auto of_b = [&](std::vector<double> x) {
      for (std::size_t i = 0; i < x.size(); ++i) x[i] = member.forward(a[i], x[i]);
      return x;
    };
    EXPECT_LT(reference::worst_difference(da, reference::central_differences(of_a, a, ones)), 1e-6);
    EXPECT_LT(reference::worst_difference(db, reference::central_differences(of_b, b, ones)), 1e-6);
  }
}

class BinaryOps : public testing::TestWithParam<Device> {};
INSTANTIATE_TEST_SUITE_P(Devices, BinaryOps, testing::ValuesIn(test_devices()), device_name);

TEST_P(BinaryOps, KeepNanOnEitherSide) {
  Graph graph;
  Value a = graph.input("a", {3}), b = graph.input("b", {3});
  for (const Member& member : kMembers) graph.output(member.name, member.op(a, b));
  const auto got = interpret(graph,
                             {{"a", Tensor::from(std::vector<float>{kNan, 1, 1}, {3})},
                              {"b", Tensor::from(std::vector<float>{1, kNan, 2}, {3})}},
                             nullptr, GetParam());
  for (const Tensor& y : got) {
    EXPECT_TRUE(std::isnan(y.to_floats()[0]) && std::isnan(y.to_floats()[1]));
    EXPECT_FALSE(std::isnan(y.to_floats()[2]));
  }
}

TEST_P(BinaryOps, TiesGiveTheGradientToA) {
  Graph graph;
  Value a = graph.input("a", {1}), b = graph.input("b", {1});
  for (Value y : {maximum(a, b), minimum(a, b)}) {
    const auto grads = gradients(sum(y), std::vector<Value>{a, b});
    graph.output(join("a", y.node_id()), grads[0]);
    graph.output(join("b", y.node_id()), grads[1]);
  }
  const Tensor two = Tensor::from(std::vector<float>{2}, {1});
  const auto got = interpret(graph, {{"a", two}, {"b", two}}, nullptr, GetParam());
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(got[i].item(), i % 2 == 0 ? 1 : 0) << i;
}

TEST_P(BinaryOps, TakeNumbersOnEitherSide) {
  Graph graph;
  Value x = graph.input("x", {2});
  const std::vector<Value> results = {x + 1, x - 1, x * 3, x / 2, 1 + x, 1 - x, 3 * x, 8 / x};
  for (const Value& y : results) graph.output(join(y.node_id()), y);
  const Tensor value = Tensor::from(std::vector<float>{4, 8}, {2});
  const auto got = interpret(graph, {{"x", value}}, nullptr, GetParam());
  const double want[][2] = {{5, 9}, {3, 7}, {12, 24}, {2, 4}, {5, 9}, {-3, -7}, {12, 24}, {2, 1}};
  ASSERT_EQ(got.size(), std::size(want));
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_TRUE(close_to(got[i], want[i], 0.0)) << i;
}

TEST(BinaryConstants, ThatDifferInTheLastBitStayApart) {
  Graph graph;
  const Value x = graph.input("x", {2});
  graph.output("y", x * 1.0000001f - x * 1.0f);
  const Graph simple = simplify(graph);
  std::set<float> constants;
  for (const Node& node : simple.nodes()) {
    const auto* constant = dynamic_cast<const ConstantOp*>(node.op.get());
    if (constant != nullptr) constants.insert(constant->tensor.item());
  }
  EXPECT_EQ(constants, (std::set<float>{1.0f, 1.0000001f})) << simple;
}

TEST_P(BinaryOps, TakeAnEmptyBatch) {
  Graph graph;
  graph.output("y", graph.input("x", {0, 4}) + graph.input("b", {4}));
  const Tensor x = Tensor::zeros({0, 4}, DType::f32, Device::cpu());
  const Tensor b = Tensor::zeros({4}, DType::f32, Device::cpu());
  const auto got = interpret(graph, {{"x", x}, {"b", b}}, nullptr, GetParam());
  EXPECT_EQ(got[0].shape(), (Shape{0, 4}));
}

TEST(BinaryErrors, NameBothShapesWhenTheyDoNotFit) {
  Graph graph;
  try {
    add(graph.input("a", {2, 3}), graph.input("b", {2}));
    FAIL() << "accepted";
  } catch (const InvalidArgument& error) {
    EXPECT_NE(std::string(error.what()).find("add: shapes [2, 3] and [2]"), std::string::npos)
        << error.what();
  }
  EXPECT_THROW(add(graph.input("c", {2}, DType::i32), graph.input("d", {2}, DType::i32)),
               InvalidArgument);
  const Value x = graph.input("x", {2, 3, 4, 5});
  EXPECT_THROW(add(x, graph.input("e", {2, 1, 4, 1})), InvalidArgument);  // axes apart
  EXPECT_THROW(add(x, graph.input("f", {1, 3, 4, 2})), InvalidArgument);
  EXPECT_THROW(add(x, graph.input("g", {3, 1, 1})), InvalidArgument);
}

}  // namespace
}  // namespace engine
