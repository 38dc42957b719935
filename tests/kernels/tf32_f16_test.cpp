// tf32 and f16 as a user asks for them. The kernels' own tests run every tile.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/core/structural_ops.h"
#include "engine/kernels/compile.h"
#include "engine/kernels/gram.h"
#include "engine/kernels/matmul.h"
#include "tests/kernels/conv2d_cases.h"
#include "tests/reference/matmul.h"

namespace engine {
namespace {

using reference::MatmulCase;

// Not in fours, so that tensors end within a copy.
const MatmulCase kProduct{.m = 21, .k = 70, .n = 18, .transpose_b = true};
const Conv2dCase kConv{"", 1, 6, 5, 12, 20, 3, 2, 2, 1, 1, 1};

// Each matrix op once, with the gradients of the convolution.
Graph matrix_ops() {
  Graph graph;
  const Value a = graph.input("a", {kProduct.m, kProduct.k});
  const Value b = graph.input("b", {kProduct.n, kProduct.k});
  graph.output("product", matmul(a, b, {.transpose_b = true}));
  graph.output("gram", gram(a, 0.5f));
  const Value x = graph.input("x", x_shape(kConv)), w = graph.input("w", w_shape(kConv));
  const Value dy = graph.input("dy", y_shape(kConv));
  const Conv2dGeometry geometry = geometry_of(kConv);
  graph.output("y", conv2d(x, w, geometry));
  graph.output("dx", conv2d_backward_data(dy, w, x.shape(), geometry));
  graph.output("dw", conv2d_backward_weights(x, dy, w.shape(), geometry));
  return graph;
}

TEST(Tf32, RoundsTheFactorsOfMatrixOpsWhereItIsAskedFor) {
  const Tensor a = random_tensor({kProduct.m, kProduct.k}, DType::f32, 1);
  const Tensor b = random_tensor({kProduct.n, kProduct.k}, DType::f32, 2);
  const Conv2dData data(kConv, DType::f32);
  const Graph graph = matrix_ops();
  for (const Device& device : test_devices()) {
    for (const bool is_tf32 : {false, true}) {
      if (is_tf32 && !device.has_tf32_matrix_units()) continue;
      Store store(device);
      Executable step =
          compile(graph, store, {.precision = is_tf32 ? Precision::tf32 : Precision::f32});
      EXPECT_EQ(name_of(step.precision()), is_tf32 ? "tf32" : "f32");
      for (const auto& [name, tensor] : {std::pair("a", a), std::pair("b", b)}) {
        step.set_input(name, tensor.to(device));
      }
      step.set_input("x", data.x.to(device));
      step.set_input("w", data.w.to(device));
      step.set_input("dy", data.dy.to(device));
      step.run();
      const auto factors = [&](const Tensor& t) {
        return is_tf32 ? rounded_to_tf32(to_doubles(t)) : to_doubles(t);
      };
      const auto expect_product = [&](const char* name, const MatmulCase& c, const Tensor& right,
                                      double scale) {
        auto want = reference::matmul(c, factors(a), factors(right));
        auto magnitude = reference::matmul(c, absolute(factors(a)), absolute(factors(right)));
        for (double& value : want) value *= scale;
        for (double& value : magnitude) value *= is_tf32 ? 4 * scale : scale;
        EXPECT_TRUE(
            close_to(step.output(name), want, product_bounds(c.k, want, magnitude, DType::f32)))
            << name << ' ' << device;
      };
      expect_product("product", kProduct, b, 1);
      expect_product(
          "gram", {.m = kProduct.k, .k = kProduct.m, .n = kProduct.k, .transpose_a = true}, a, 0.5);
      const Conv2dData seen = is_tf32 ? data.as_tf32() : data;
      const auto expect_conv = [&](const char* name, const Expected& want) {
        EXPECT_TRUE(close_to(step.output(name), want.values, want.bounds)) << name << ' ' << device;
      };
      expect_conv("y", expected_y(kConv, seen));
      expect_conv("dx", expected_dx(kConv, seen));
      expect_conv("dw", expected_dw(kConv, seen));
    }
  }
}

TEST(Tf32, IsRefusedWhereThereAreNoUnitsForIt) {
  const Graph graph = matrix_ops();
  Store store(Device::cpu({.threads = 1}));
  EXPECT_THAT(error_of([&] { compile(graph, store, {.precision = Precision::tf32}); }),
              testing::HasSubstr("compile: precision tf32 on cpu(1 thread), which has no matrix "
                                 "units for it; use f32 or auto"));
}

// Data that was cast to f16, with weights that are f32 and rounded on the way.
TEST(F16, MatrixOpsRunOnCudaOnly) {
  Graph graph;
  const Value x = cast(graph.input("x", x_shape(kConv)), DType::f16);
  const Value w = graph.input("w", w_shape(kConv));
  const Value y = conv2d(x, w, geometry_of(kConv));
  const Value b = cast(graph.input("b", {6, kConv.out_channels}), DType::f16);
  const Value rows = reshape(y, {kConv.n * kConv.oh() * kConv.ow(), kConv.out_channels});
  EXPECT_EQ(y.dtype(), DType::f16);
  graph.output("y", cast(y, DType::f32));
  graph.output("z", cast(matmul(rows, b, {.transpose_b = true}), DType::f32));

  const Conv2dData data(kConv, DType::f16);
  const Tensor weights = data.w.to(DType::f32), image = data.x.to(DType::f32);
  const Tensor right = random_tensor({6, kConv.out_channels}, DType::f16, 4);
  for (const Device& device : test_devices()) {
    for (const Precision precision : {Precision::f32, Precision::automatic}) {
      Store store(device);
      const auto build = [&] { return compile(graph, store, {.precision = precision}); };
      if (device.is_cpu()) {
        EXPECT_THAT(error_of(build), testing::HasSubstr("no f16 kernel for cpu"));
        continue;
      }
      Executable step = build();
      step.set_input("x", image.to(device));
      step.set_input("w", weights.to(device));
      step.set_input("b", right.to(DType::f32).to(device));
      step.run();
      const Expected want = expected_y(kConv, data);
      EXPECT_TRUE(close_to(step.output("y"), want.values, want.bounds));
      // Of the rounded y that the step itself has made.
      const auto left = to_doubles(step.output("y").to(Device::cpu())), bd = to_doubles(right);
      const MatmulCase c{.m = kConv.n * kConv.oh() * kConv.ow(),
                         .k = kConv.out_channels,
                         .n = 6,
                         .transpose_b = true};
      const auto z = reference::matmul(c, left, bd);
      auto magnitude = reference::matmul(c, absolute(left), absolute(bd));
      for (double& value : magnitude) value *= 4;
      EXPECT_TRUE(close_to(step.output("z"), z, product_bounds(c.k, z, magnitude, DType::f16)));
    }
  }
}

}  // namespace
}  // namespace engine
