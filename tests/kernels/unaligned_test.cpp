// Kernels that move whole packs where pointers are aligned give the same bits where they are not:
// a tensor may be borrowed from anywhere.
#include <functional>

#include <gtest/gtest.h>

#include "engine/core/autodiff.h"
#include "engine/core/source_ops.h"
#include "engine/core/structural_ops.h"
#include "engine/kernels/batch_norm.h"
#include "engine/kernels/binary.h"
#include "engine/kernels/cast_all.h"
#include "engine/kernels/color_transform.h"
#include "engine/kernels/conv2d.h"
#include "engine/kernels/gather_rows.h"
#include "engine/kernels/image.h"
#include "engine/kernels/losses.h"
#include "engine/kernels/mean_squared_difference.h"
#include "engine/kernels/optimizer_update.h"
#include "engine/kernels/pool2d.h"
#include "engine/kernels/random.h"
#include "engine/kernels/reduce.h"
#include "engine/kernels/resize.h"
#include "engine/kernels/total_variation.h"
#include "engine/kernels/unary.h"
#include "tests/kernels/matrix_support.h"
#include "tests/support/cases.h"
#include "tests/support/clock.h"
#include "tests/support/compare.h"
#include "tests/support/devices.h"
#include "tests/support/interpret.h"
#include "tests/support/random_tensor.h"

namespace engine {
namespace {

struct UnalignedCase {
  const char* name;
  std::function<std::vector<Value>(Graph&)> build;
};
ENGINE_TEST_CASE_PRINTS_NAME(UnalignedCase)

using Values = std::vector<Value>;

UpdateInputs update_inputs(Graph& graph) {
  return {graph.constant(0.1f),
          graph.constant(1.0f),
          graph.clock(),
          {graph.input("p", {1037})},
          {graph.input("g", {1037})}};
}

const UnalignedCase kUnalignedCases[] = {
    {"random_uniform", [](Graph& g) -> Values { return {random_uniform(g, "u", {1037})}; }},
    {"random_normal", [](Graph& g) -> Values { return {random_normal(g, "n", {1037})}; }},
    {"dropout", [](Graph& g) -> Values { return {dropout(g.input("x", {1037}), "d", 0.5f)}; }},
    {"dropout_bf16",
     [](Graph& g) -> Values { return {dropout(g.input("x", {1037}, DType::bf16), "d", 0.5f)}; }},
    {"gather_rows",
     [](Graph& g) -> Values {
       return {gather_rows(g.input("x", {50, 32}), g.input("rows", {37}, DType::i32))};
     }},
    {"normalize_images",
     [](Graph& g) -> Values {
       return {normalize_images(g.input("x", {3, 16, 16, 3}, DType::u8), {{0.5f}, {0.25f}})};
     }},
    {"normalize_images_bf16",
     [](Graph& g) -> Values {
       return {normalize_images(g.input("x", {3, 16, 16, 3}, DType::u8), {{0.5f}, {0.25f}},
                                DType::bf16)};
     }},
    {"random_geometry",
     [](Graph& g) -> Values {
       return {random_geometry(g.input("x", {3, 16, 16, 3}, DType::u8), "geo",
                               {.shift = 3, .flip = true})};
     }},
    {"conv2d_depthwise",
     [](Graph& g) -> Values {
       return {conv2d(g.input("x", {2, 6, 5, 8}), g.input("w", {8, 3, 3, 1}), {.groups = 8})};
     }},
    {"conv2d_depthwise_backward_data_bf16",
     [](Graph& g) -> Values {
       return {conv2d_backward_data(g.input("dy", {2, 3, 2, 16}, DType::bf16),
                                    g.input("w", {16, 3, 3, 1}, DType::bf16), {2, 7, 5, 16},
                                    {.stride = 2, .groups = 16})};
     }},
    {"conv2d_few_channels",
     [](Graph& g) -> Values {
       return {conv2d(g.input("x", {2, 6, 5, 3}), g.input("w", {8, 3, 3, 3}), {.padding = 1})};
     }},
    {"conv2d_few_channels_bf16",
     [](Graph& g) -> Values {
       return {conv2d(g.input("x", {2, 6, 5, 3}, DType::bf16),
                      g.input("w", {8, 3, 3, 3}, DType::bf16), {.padding = 1})};
     }},
    {"conv2d_few_channels_backward_data",
     [](Graph& g) -> Values {
       return {conv2d_backward_data(g.input("dy", {2, 6, 5, 8}), g.input("w", {8, 3, 3, 3}),
                                    {2, 6, 5, 3}, {.padding = 1})};
     }},
    {"conv2d_few_channels_backward_data_bf16",
     [](Graph& g) -> Values {
       return {conv2d_backward_data(g.input("dy", {2, 6, 5, 8}, DType::bf16),
                                    g.input("w", {8, 3, 3, 3}, DType::bf16), {2, 6, 5, 3},
                                    {.padding = 1})};
     }},
    {"conv2d_few_channels_backward_weights_bf16",
     [](Graph& g) -> Values {
       return {conv2d_backward_weights(g.input("x", {2, 6, 5, 3}, DType::bf16),
                                       g.input("dy", {2, 4, 3, 8}, DType::bf16), {8, 3, 3, 3})};
     }},
    {"max_pool2d",
     [](Graph& g) -> Values {
       return {max_pool2d(g.input("x", {2, 6, 5, 16}), {.window = 3, .stride = 2})};
     }},
    {"max_pool2d_bf16",
     [](Graph& g) -> Values {
       return {max_pool2d(g.input("x", {2, 6, 5, 16}, DType::bf16))};
     }},
    {"average_pool2d",
     [](Graph& g) -> Values {
       return {average_pool2d(g.input("x", {2, 6, 5, 16}))};
     }},
    {"cast", [](Graph& g) -> Values { return {cast(g.input("x", {1037}), DType::bf16)}; }},
    {"cast_all", [](Graph& g) { return cast_all_to_bf16({g.input("x", {1037})}); }},
    {"add_n",
     [](Graph& g) -> Values {
       return {add_n({g.input("x", {1037}), g.input("z", {1037})})};
     }},
    {"add_n_bf16",
     [](Graph& g) -> Values {
       return {add_n({g.input("x", {1037}, DType::bf16), g.input("z", {1037}, DType::bf16)})};
     }},
    {"sgd_update",
     [](Graph& g) {
       return sgd_update(update_inputs(g), {g.input("v", {1037})}, {.momentum = 0.9}).parameters;
     }},
    {"adam_update",
     [](Graph& g) {
       return adam_update(update_inputs(g), {g.input("m", {1037})}, {g.input("v", {1037})}, {})
           .parameters;
     }},
    {"squared_norm",
     [](Graph& g) -> Values {
       return {squared_norm({g.input("x", {1037}), g.input("z", {1037})})};
     }},
    {"unary", [](Graph& g) -> Values { return {tanh(g.input("x", {1037}))}; }},
    {"unary_backward",
     [](Graph& g) -> Values {
       return {g.add1(std::make_shared<UnaryBackwardOp>(UnaryMember::tanh),
                      {g.input("x", {1037}, DType::bf16), g.input("z", {1037}, DType::bf16)},
                      "dx")};
     }},
    {"binary", [](Graph& g) -> Values { return {g.input("x", {1037}) * g.input("z", {1037})}; }},
    {"binary_repeat",
     [](Graph& g) -> Values {
       return {g.input("x", {37, 24}) + g.input("b", {24})};
     }},
    {"binary_repeat_bf16",
     [](Graph& g) -> Values {
       return {g.input("x", {37, 24}, DType::bf16) + g.input("b", {24})};
     }},
    {"reduce",
     [](Graph& g) -> Values {
       return {sum(g.input("x", {301, 12}), {.first = 0, .last = 1})};
     }},
    {"reduce_strips",
     [](Graph& g) -> Values {
       return {sum(g.input("x", {9, 1030}, DType::bf16), {.first = 0, .last = 1})};
     }},
    {"reduce_backward",
     [](Graph& g) -> Values {
       return {g.add1(
           std::make_shared<ReduceBackwardOp>(ReduceMember::mean, AxisRange{1, 2}, Shape{5, 7, 24}),
           {g.input("dy", {5, 24})}, "dx")};
     }},
    {"softmax",
     [](Graph& g) -> Values {
       return {softmax(g.input("x", {9, 24}))};
     }},
    {"softmax_cross_entropy",
     [](Graph& g) -> Values {
       return {softmax_cross_entropy(g.input("x", {9, 52}), g.input("labels", {9}, DType::i32))};
     }},
    {"binary_cross_entropy",
     [](Graph& g) -> Values {
       return {binary_cross_entropy_with_logits(g.input("x", {1037}), g.input("t", {1037}))};
     }},
    {"batch_norm",
     [](Graph& g) -> Values {
       return {batch_norm_training(g.input("x", {99, 24}), g.input("scale", {24}),
                                   g.input("shift", {24}), 1e-3f)
                   .y};
     }},
    {"batch_norm_backward",
     [](Graph& g) -> Values {
       const Value y = batch_norm_training(g.input("x", {99, 24}, DType::bf16),
                                           g.input("scale", {24}), g.input("shift", {24}), 1e-3f)
                           .y;
       return {gradients_of_node(y, g.input("dy", {99, 24}, DType::bf16))[0]};
     }},
    {"mean_squared_difference",
     [](Graph& g) -> Values {
       return {mean_squared_difference(g.input("x", {1037}), g.input("t", {1037}))};
     }},
    {"mean_squared_difference_backward_bf16",
     [](Graph& g) -> Values {
       const Value x = g.input("x", {1037}, DType::bf16);
       return {gradients(mean_squared_difference(x, g.input("t", {1037})), Values{x})[0]};
     }},
    {"total_variation",
     [](Graph& g) -> Values {
       return {total_variation(g.input("x", {2, 9, 7, 3}))};
     }},
    {"total_variation_backward",
     [](Graph& g) -> Values {
       const Value y = total_variation(g.input("x", {2, 9, 7, 3}));
       return {gradients_of_node(y, g.input("dy", {}))[0]};
     }},
    {"color_transform",
     [](Graph& g) -> Values {
       return {color_transform(g.input("x", {1037, 3}), ColorTransform::rgb_to_yiq())};
     }},
    {"resize",
     [](Graph& g) -> Values {
       return {resize(g.input("x", {2, 9, 7, 4}), {.height = 6, .width = 11})};
     }},
};

class Unaligned : public DeviceTest<UnalignedCase> {};

TEST_P(Unaligned, GivesTheSameBits) {
  Graph graph;
  const std::vector<Value> outputs = GetParam().build(graph);
  for (const Value& output : outputs) graph.output("y", output);
  std::map<std::string, Tensor> inputs;
  for (const Node& node : graph.nodes()) {
    const auto* input = dynamic_cast<const InputOp*>(node.op.get());
    if (input == nullptr) continue;
    const TensorType& type = node.outputs[0];
    const float high = type.dtype == DType::u8 ? 256 : type.dtype == DType::i32 ? 50 : 1;
    inputs[input->input_name] = random_tensor(type.shape, type.dtype, 1, {0, high});
  }
  const Store store = store_at(1, 2);
  const Tensor aligned = interpret(graph, inputs, &store, device())[0];
  const Tensor unaligned = interpret(graph, inputs, &store, device(), 4)[0];
  EXPECT_TRUE(same_bits(unaligned, aligned));
}

INSTANTIATE_TEST_SUITE_P(Table, Unaligned, on_devices(kUnalignedCases), device_case_name);

}  // namespace
}  // namespace engine
