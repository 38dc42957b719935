#include "engine/kernels/fusion/rules.h"
#include "engine/kernels/image.h"

namespace engine {

FusionRule fuse_normalize_images_cast() {
  const auto rewrite = [](Graph&, const Node& node, const Uses& uses,
                          const Device&) -> std::vector<Value> {
    if (node.op->name() != "cast" || node.outputs[0].dtype != DType::bf16) {
      return {};
    }
    const Node& normalize = node.inputs[0].node();
    const Normalization* normalization = normalization_of(*normalize.op);
    if (normalization == nullptr || uses.count(node.inputs[0]) != 1) return {};
    return {normalize_images(normalize.inputs[0], *normalization, DType::bf16)};
  };
  return {.name = "normalize_images to bf16", .rewrite = rewrite};
}

}  // namespace engine
