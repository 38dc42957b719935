// Convolutions and linear layers with bias, forward and backward, against PyTorch's numbers.
#include <gtest/gtest.h>

#include "engine/kernels/binary.h"
#include "engine/kernels/conv2d.h"
#include "engine/kernels/matmul.h"
#include "tests/kernels/matrix_support.h"
#include "tests/support/interpret.h"
#include "tests/support/torch_vectors.h"

namespace engine {
namespace {

// `build` makes y from x, w and bias; y and the gradients of all three are compared.
template <class Build>
void expect_torch(const std::string& file, const Build& build) {
  const TorchVectors torch(file);
  Graph graph;
  std::map<std::string, Tensor> inputs;
  const auto input = [&](const std::string& name) {
    inputs[name] = torch[name];
    return graph.input(name, torch[name].shape());
  };
  const Value x = input("x"), w = input("w"), bias = input("bias"), dy = input("dy");
  const Value product = build(x, w);
  const Value y = product + bias;
  const auto of_sum = gradients_of_node(y, dy);
  const auto of_product = gradients_of_node(product, of_sum[0]);
  graph.output("y", y);
  graph.output("dx", of_product[0]);
  graph.output("dw", of_product[1]);
  graph.output("dbias", of_sum[1]);
  const auto got = interpret(graph, inputs);
  for (std::size_t i = 0; i < got.size(); ++i) {
    const std::string& name = graph.outputs()[i].first;
    ASSERT_EQ(got[i].shape(), torch[name].shape()) << name;
    EXPECT_TRUE(close_to(got[i], to_doubles(torch[name]), 2e-5)) << file << ' ' << name;
  }
}

TEST(MatrixTorch, Conv2d) {
  expect_torch("conv2d", [](const Value& x, const Value& w) {
    return conv2d(x, w, {.stride = {2, 1}, .padding = {1, 2}});
  });
}

TEST(MatrixTorch, Conv2dGroupedDilated) {
  expect_torch("conv2d_grouped_dilated", [](const Value& x, const Value& w) {
    return conv2d(x, w, {.padding = 2, .dilation = 2, .groups = 2});
  });
}

TEST(MatrixTorch, Linear) {
  expect_torch("linear",
               [](const Value& x, const Value& w) { return matmul(x, w, {.transpose_b = true}); });
}

}  // namespace
}  // namespace engine
