#include "engine/kernels/losses.h"

#include <cmath>

#include <gtest/gtest.h>

#include "engine/core/autodiff.h"
#include "engine/core/passes.h"
#include "engine/kernels/binary.h"
#include "engine/kernels/reduce.h"
#include "tests/kernels/matrix_support.h"
#include "tests/reference/gradient_check.h"
#include "tests/reference/losses.h"
#include "tests/support/cases.h"
#include "tests/support/compare.h"
#include "tests/support/devices.h"
#include "tests/support/interpret.h"
#include "tests/support/random_tensor.h"
#include "tests/support/torch_vectors.h"

namespace engine {
namespace {

struct Case {
  const char* name;
  std::int64_t rows, classes;
  float range = 3;  // logits in +-range
};
ENGINE_TEST_CASE_PRINTS_NAME(Case)

const Case kCases[] = {
    {"one_class", 4, 1},       {"two_classes", 5, 2},      {"ten_classes", 64, 10},
    {"seventeen", 3, 17},      {"thousand", 3, 1000},      {"one_row", 1, 33},
    {"far_apart", 7, 10, 200}, {"parallel", 3001, 10},     {"thirty_one", 9, 31},
    {"long_rows", 2, 4100},    {"long_rows_odd", 2, 5001}, {"hundred_and_28", 3, 128},
};

class Losses : public DeviceTest<Case> {};
INSTANTIATE_TEST_SUITE_P(Rows, Losses, on_devices(kCases), device_case_name);

class LossLimits : public testing::TestWithParam<Device> {};
INSTANTIATE_TEST_SUITE_P(Devices, LossLimits, testing::ValuesIn(test_devices()), device_name);

// exp, log and division within a few ulp, the sum over a row, and x - max rounded before exp.
double relative_bound(const Case& c) {
  return (static_cast<double>(c.classes) + 8 + 2 * c.range) * 0x1p-24;
}

TEST_P(Losses, SoftmaxMatchesReference) {
  const Case& c = GetParam();
  const auto classes = static_cast<std::size_t>(c.classes);
  const Tensor x = random_tensor({c.rows, c.classes}, DType::f32, 1, {-c.range, c.range});
  const Tensor dy = random_tensor(x.shape(), DType::f32, 2);
  Graph graph;
  Value in = graph.input("x", x.shape()), y = softmax(in);
  graph.output("y", y);
  graph.output("dx", gradients_of_node(y, graph.input("dy", x.shape()))[0]);
  const auto got = interpret(graph, {{"x", x}, {"dy", dy}}, nullptr, device());
  const auto want = reference::softmax(to_doubles(x), classes);
  const auto dx = reference::softmax_backward(want, to_doubles(dy), classes);
  std::vector<double> bound, dx_bound;
  for (double value : want) {
    bound.push_back(relative_bound(c) * value + 0x1p-149);
    dx_bound.push_back(4 * relative_bound(c) * value + 0x1p-149);  // |dy| <= 1, twice
  }
  EXPECT_TRUE(close_to(got[0], want, bound));
  EXPECT_TRUE(close_to(got[1], dx, dx_bound));
}

TEST_P(Losses, SoftmaxCrossEntropyMatchesReference) {
  const Case& c = GetParam();
  const auto classes = static_cast<std::size_t>(c.classes);
  const Tensor x = random_tensor({c.rows, c.classes}, DType::f32, 1, {-c.range, c.range});
  const Tensor labels = random_tensor({c.rows}, DType::i32, 3, {0, static_cast<float>(c.classes)});
  const Tensor dy = random_tensor({c.rows}, DType::f32, 2);
  Graph graph;
  Value in = graph.input("x", x.shape());
  Value loss = softmax_cross_entropy(in, graph.input("labels", {c.rows}, DType::i32));
  graph.output("loss", loss);
  graph.output("dx", gradients_of_node(loss, graph.input("dy", {c.rows}))[0]);
  const auto got = interpret(graph, {{"x", x}, {"labels", labels}, {"dy", dy}}, nullptr, device());
  const auto span = labels.span<std::int32_t>();
  const std::vector<std::int32_t> label_values(span.begin(), span.end());
  const auto want = reference::cross_entropy(to_doubles(x), label_values, classes);
  const auto dx =
      reference::cross_entropy_backward(to_doubles(x), label_values, to_doubles(dy), classes);
  std::vector<double> bound;
  for (double value : want) bound.push_back(relative_bound(c) + 4 * 0x1p-24 * std::abs(value));
  EXPECT_TRUE(close_to(got[0], want, bound));
  EXPECT_TRUE(close_to(got[1], dx, relative_bound(c)));
}

TEST_P(Losses, BinaryCrossEntropyMatchesReference) {
  const Case& c = GetParam();
  const Tensor z = random_tensor({c.rows, c.classes}, DType::f32, 1, {-c.range, c.range});
  const Tensor t = random_tensor(z.shape(), DType::f32, 2, {0, 1});
  const Tensor dy = random_tensor(z.shape(), DType::f32, 3);
  Graph graph;
  Value in = graph.input("z", z.shape());
  Value loss = binary_cross_entropy_with_logits(in, graph.input("t", z.shape()));
  graph.output("loss", loss);
  graph.output("dz",
               gradients(sum(loss * graph.input("dy", z.shape())), std::vector<Value>{in})[0]);
  const auto got = interpret(graph, {{"z", z}, {"t", t}, {"dy", dy}}, nullptr, device());
  const auto zs = to_doubles(z), ts = to_doubles(t), dys = to_doubles(dy);
  std::vector<double> want, bound, dz;
  for (std::size_t i = 0; i < zs.size(); ++i) {
    want.push_back(reference::binary_cross_entropy(zs[i], ts[i]));
    bound.push_back(4 * 0x1p-24 * (1 + std::abs(zs[i])));
    dz.push_back(dys[i] * reference::binary_cross_entropy_slope(zs[i], ts[i]));
  }
  EXPECT_TRUE(close_to(got[0], want, bound));
  EXPECT_TRUE(close_to(got[1], dz, 6 * 0x1p-24));
}

TEST(LossReferences, GradientsMatchCentralDifferences) {
  const std::size_t classes = 7, rows = 5;
  const auto x = to_doubles(random_tensor({5, 7}, DType::f32, 1, {-2, 2}));
  const auto dy = to_doubles(random_tensor({5, 7}, DType::f32, 2));
  const std::vector<double> row_dy(dy.begin(), dy.begin() + rows);
  const std::vector<std::int32_t> labels = {0, 6, 3, 3, 1};
  const auto softmax_of = [&](const reference::Doubles& v) {
    return reference::softmax(v, classes);
  };
  EXPECT_LT(reference::worst_difference(
                reference::softmax_backward(reference::softmax(x, classes), dy, classes),
                reference::central_differences(softmax_of, x, dy)),
            1e-7);
  const auto loss_of = [&](const reference::Doubles& v) {
    return reference::cross_entropy(v, labels, classes);
  };
  EXPECT_LT(
      reference::worst_difference(reference::cross_entropy_backward(x, labels, row_dy, classes),
                                  reference::central_differences(loss_of, x, row_dy)),
      1e-7);
  reference::Doubles slopes;
  for (std::size_t i = 0; i < x.size(); ++i) {
    slopes.push_back(dy[i] * reference::binary_cross_entropy_slope(x[i], 0.3));
  }
  const auto binary_of = [&](reference::Doubles v) {
    for (double& value : v) value = reference::binary_cross_entropy(value, 0.3);
    return v;
  };
  EXPECT_LT(reference::worst_difference(slopes, reference::central_differences(binary_of, x, dy)),
            1e-7);
}

TEST_P(LossLimits, UnknownLabelsAndNanGiveNan) {
  Graph graph;
  Value x = graph.input("x", {4, 3});
  Value loss = softmax_cross_entropy(x, graph.input("labels", {4}, DType::i32));
  graph.output("loss", loss);
  graph.output("dx", gradients(sum(loss), std::vector<Value>{x})[0]);
  graph.output("softmax", softmax(x));
  std::vector<float> values(12, 1.0f);
  values[7] = std::nanf("");
  const auto got =
      interpret(graph,
                {{"x", Tensor::from(values, {4, 3})},
                 {"labels", Tensor::from(std::vector<std::int32_t>{3, -1, 0, 2}, {4})}},
                nullptr, GetParam());
  for (std::size_t row = 0; row < 4; ++row) {
    EXPECT_EQ(std::isnan(got[0].to_floats()[row]), row < 3) << row;
    EXPECT_EQ(std::isnan(got[1].to_floats()[row * 3]), row < 3) << row;
    EXPECT_EQ(std::isnan(got[2].to_floats()[row * 3]), row == 2) << row;
  }
}

TEST_P(LossLimits, HugeLogitsStayFinite) {
  Graph graph;
  Value z = graph.input("z", {4});
  graph.output("loss", binary_cross_entropy_with_logits(z, graph.input("t", {4})));
  const auto got =
      interpret(graph,
                {{"z", Tensor::from(std::vector<float>{1e30f, -1e30f, 1e30f, -1e30f}, {4})},
                 {"t", Tensor::from(std::vector<float>{1, 0, 0, 1}, {4})}},
                nullptr, GetParam());
  EXPECT_TRUE(close_to(got[0], std::vector<double>{0, 0, 1e30f, 1e30f}, 0.0));
}

TEST_P(LossLimits, FarFromZeroSoftmaxIsThatOfTheDifferences) {
  Graph graph;
  const Value x = graph.input("x", {2, 3});
  graph.output("softmax", softmax(x));
  graph.output("loss", softmax_cross_entropy(x, graph.input("labels", {2}, DType::i32)));
  const std::vector<float> values = {-1000, -1000, -1000, 1e30f, 1e30f, 1e30f};
  const auto got = interpret(graph,
                             {{"x", Tensor::from(values, {2, 3})},
                              {"labels", Tensor::from(std::vector<std::int32_t>{0, 2}, {2})}},
                             nullptr, GetParam());
  EXPECT_TRUE(close_to(got[0], std::vector<double>(6, 1.0 / 3), 0x1p-23));
  EXPECT_TRUE(close_to(got[1], std::vector<double>(2, std::log(3.0)), 0x1p-22));
}

TEST_P(LossLimits, TakeAnEmptyBatch) {
  Graph graph;
  Value x = graph.input("x", {0, 3});
  graph.output("loss", softmax_cross_entropy(x, graph.input("labels", {0}, DType::i32)));
  graph.output("softmax", softmax(x));
  const auto got = interpret(graph,
                             {{"x", Tensor::zeros({0, 3}, DType::f32, Device::cpu())},
                              {"labels", Tensor::zeros({0}, DType::i32, Device::cpu())}},
                             nullptr, GetParam());
  EXPECT_EQ(got[0].shape(), Shape{0});
}

TEST(LossErrors, NameWhatDoesNotFit) {
  Graph graph;
  Value x = graph.input("x", {2, 3});
  try {
    softmax_cross_entropy(x, graph.input("labels", {3}, DType::i32));
    FAIL() << "accepted";
  } catch (const InvalidArgument& error) {
    EXPECT_NE(std::string(error.what()).find("labels i32[3] for logits f32[2, 3]"),
              std::string::npos)
        << error.what();
  }
  EXPECT_THROW(binary_cross_entropy_with_logits(x, graph.input("t", {3, 2})), InvalidArgument);
}

TEST(LossTorch, LossesAndGradientsAgree) {
  const TorchVectors torch("losses");
  Graph graph;
  std::map<std::string, Tensor> inputs;
  const auto input = [&](const std::string& name) {
    inputs[name] = torch[name];
    return graph.input(name, torch[name].shape(), torch[name].dtype());
  };
  Value logits = input("logits"), z = input("z");
  Value cross = softmax_cross_entropy(logits, input("labels"));
  Value binary = binary_cross_entropy_with_logits(z, input("targets"));
  graph.output("cross_entropy", cross);
  graph.output("dlogits", gradients(mean(cross), std::vector<Value>{logits})[0]);
  graph.output("binary_cross_entropy", binary);
  graph.output("dz", gradients(mean(binary), std::vector<Value>{z})[0]);
  graph.output("softmax", softmax(logits));
  for (const Device& device : test_devices()) {
    const auto got = interpret(graph, inputs, nullptr, device);
    for (std::size_t i = 0; i < got.size(); ++i) {
      const std::string& name = graph.outputs()[i].first;
      EXPECT_TRUE(close_to(got[i], to_doubles(torch[name]), 2e-6)) << name << device;
    }
  }
}

}  // namespace
}  // namespace engine
