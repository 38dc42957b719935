#include "engine/core/structural_ops.h"
#include "engine/kernels/fusion/bias_activation.h"
#include "engine/kernels/fusion/rules.h"
#include "engine/kernels/gram.h"

namespace engine {

FusionRule fuse_gram_backward_sum() {
  const auto rewrite = [](Graph& graph, const Node& node, const Uses& uses,
                          const Device& device) -> std::vector<Value> {
    if (!device.is_cpu() || node.op->name() != "add_n") return {};
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const Value& term = node.inputs[i];
      const auto* backward = fusion::op_of<GramBackwardOp>(term);
      if (backward == nullptr || backward->adds() || uses.count(term) > 1) continue;
      if (term.shape().elements() == 0) continue;
      std::vector<Value> rest = node.inputs;
      rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(i));
      std::vector<Value> inputs = term.node().inputs;
      inputs.push_back(add_n(rest));
      return graph.add(std::make_shared<GramBackwardOp>(backward->scale(), true), inputs,
                       node.name);
    }
    return {};
  };
  return {.name = "sum into gram_backward", .rewrite = rewrite};
}

}  // namespace engine
