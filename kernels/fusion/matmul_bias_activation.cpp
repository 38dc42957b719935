#include "engine/kernels/fusion/bias_activation.h"
#include "engine/kernels/fusion/rules.h"
#include "engine/kernels/matmul.h"

namespace engine {

FusionRule fuse_matmul_bias() {
  const auto rewrite = [](Graph& graph, const Node& node, const Uses& uses,
                          const Device&) -> std::vector<Value> {
    const auto [y, bias] = fusion::match_bias(node, uses);
    const auto* product = fusion::op_of<MatmulOp>(y);
    if (product == nullptr) return {};
    const std::vector<Value> inputs = y.node().inputs;
    if (inputs.size() > 2 || product->activation() != Activation::none) return {};
    return graph.add(std::make_shared<MatmulOp>(product->options()), {inputs[0], inputs[1], bias},
                     y.node().name);
  };
  return {.name = "matmul + bias", .rewrite = rewrite};
}

FusionRule fuse_matmul_activation() {
  const auto rewrite = [](Graph& graph, const Node& node, const Uses& uses,
                          const Device&) -> std::vector<Value> {
    const Value y = fusion::match_relu(node, uses);
    const auto* product = fusion::op_of<MatmulOp>(y);
    if (product == nullptr || product->activation() != Activation::none) return {};
    return graph.add(std::make_shared<MatmulOp>(product->options(), Activation::relu),
                     y.node().inputs, y.node().name);
  };
  return {.name = "matmul + relu", .rewrite = rewrite};
}

}  // namespace engine
