#include "engine/kernels/conv2d.h"
#include "engine/kernels/fusion/bias_activation.h"
#include "engine/kernels/fusion/rules.h"

namespace engine {

FusionRule fuse_conv2d_bias() {
  const auto rewrite = [](Graph& graph, const Node& node, const Uses& uses,
                          const Device&) -> std::vector<Value> {
    const auto [y, bias] = fusion::match_bias(node, uses);
    const auto* conv = fusion::op_of<Conv2dOp>(y);
    if (conv == nullptr) return {};
    const std::vector<Value> inputs = y.node().inputs;
    if (inputs.size() > 2 || conv->activation() != Activation::none) return {};
    return graph.add(std::make_shared<Conv2dOp>(conv->geometry()), {inputs[0], inputs[1], bias},
                     y.node().name);
  };
  return {.name = "conv2d + bias", .rewrite = rewrite};
}

FusionRule fuse_conv2d_activation() {
  const auto rewrite = [](Graph& graph, const Node& node, const Uses& uses,
                          const Device&) -> std::vector<Value> {
    const Value y = fusion::match_relu(node, uses);
    const auto* conv = fusion::op_of<Conv2dOp>(y);
    if (conv == nullptr || conv->activation() != Activation::none) return {};
    return graph.add(std::make_shared<Conv2dOp>(conv->geometry(), Activation::relu),
                     y.node().inputs, y.node().name);
  };
  return {.name = "conv2d + relu", .rewrite = rewrite};
}

}  // namespace engine
