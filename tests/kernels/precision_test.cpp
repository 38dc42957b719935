#include <gtest/gtest.h>

#include "engine/core/passes.h"
#include "engine/core/structural_ops.h"
#include "engine/kernels/batch_norm.h"
#include "engine/kernels/binary.h"
#include "engine/kernels/mean_squared_difference.h"
#include "engine/layers/conv2d.h"
#include "engine/layers/linear.h"

namespace engine {
namespace {

// Inputs that keep f32 beside narrow ones, made by nodes that become narrow themselves.
Value wide_target(const Scope& net) {
  const Value x = net.graph().input("x", {2, 5, 5, 3});
  const Value target = conv2d(net / "target", x, {.filters = 3, .padding = 1});
  return mean_squared_difference(x, stop_gradient(target));
}
Value wide_sum(const Scope& net) {
  const Value row = net.graph().input("row", {4, 8});
  return net.graph().input("x", {8, 4, 16}) + linear(net / "row", row, {.units = 16});
}
Value narrow_sum(const Scope& net) {
  const Value x = conv2d(net / "x", net.graph().input("x", {2, 5, 5, 3}), {.filters = 4});
  const Value row = linear(net / "row", net.graph().input("row", {1, 8}), {.units = 4});
  return x + reshape(row, {4});
}
Value computed_scale(const Scope& net) {
  const Value style = net.graph().input("style", {1, 8});
  const Value scale = reshape(linear(net / "scale", style, {.units = 6}), {6});
  const Value shift = reshape(linear(net / "shift", style, {.units = 6}), {6});
  return batch_norm_training(net.graph().input("x", {4, 6}), scale, shift, 1e-5f).y;
}

struct PrecisionCase {
  const char* name;
  Value (*build)(const Scope& net);
};

TEST(PrecisionOfGraphs, WhatIsValidInF32IsValidInBf16) {
  for (const auto& [name, build] : {PrecisionCase{"wide_target", wide_target},
                                    {"wide_sum", wide_sum},
                                    {"narrow_sum", narrow_sum},
                                    {"computed_scale", computed_scale}}) {
    SCOPED_TRACE(name);
    Graph graph;
    const Value y = build(Scope(graph));
    graph.output("y", y);
    Graph narrow;
    ASSERT_NO_THROW(narrow = apply_precision(graph, Precision::bf16));
    EXPECT_EQ(narrow.outputs()[0].second.type(), y.type());
    bool has_matrix_op = false;
    for (const Node& node : narrow.nodes()) {
      const bool is_matrix = node.op->precision() == PrecisionClass::matrix;
      has_matrix_op = has_matrix_op || is_matrix;
      EXPECT_TRUE(!is_matrix || node.inputs[0].dtype() == DType::bf16) << narrow;
    }
    EXPECT_TRUE(has_matrix_op);
  }
}

}  // namespace
}  // namespace engine
