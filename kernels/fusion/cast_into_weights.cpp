#include <algorithm>
#include <array>
#include <string_view>

#include "engine/kernels/fusion/rules.h"

namespace engine {
namespace {

// The ops whose second input is a weight that the CPU's kernels convert as they pack it.
constexpr std::array<std::string_view, 3> kWeighted = {"conv2d", "conv2d_backward_data", "matmul"};

}  // namespace

FusionRule fuse_cast_into_weights() {
  const auto rewrite = [](Graph& graph, const Node& node, const Uses&,
                          const Device& device) -> std::vector<Value> {
    const std::string_view name = node.op->name();
    const bool is_weighted = std::find(kWeighted.begin(), kWeighted.end(), name) != kWeighted.end();
    if (!device.is_cpu() || !is_weighted) return {};
    const Node& cast = node.inputs[1].node();
    const bool narrows = cast.op->name() == "cast" && cast.inputs[0].dtype() == DType::f32 &&
                         node.inputs[1].dtype() == node.inputs[0].dtype();
    if (!narrows) return {};
    // Only parameters: a tensor made in the step would have to live on as f32.
    if (cast.inputs[0].node().op->effect() != Effect::reads_state) return {};
    std::vector<Value> inputs = node.inputs;
    inputs[1] = cast.inputs[0];
    return graph.add(node.op, inputs, node.name);
  };
  return {.name = "cast into weights", .rewrite = rewrite};
}

}  // namespace engine
