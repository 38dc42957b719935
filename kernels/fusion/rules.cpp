#include "engine/kernels/fusion/rules.h"

#include "engine/kernels/compile.h"

namespace engine {

std::span<const FusionRule> fusion_rules() {
  static const std::vector<FusionRule> rules = {
      fuse_max_pool2d_relu(),
      fuse_max_pool2d_backward_relu(),
      fuse_max_pool2d_backward_sum(),
      fuse_max_pool2d_without_argmax(),
      fuse_conv2d_bias(),
      fuse_conv2d_activation(),
      fuse_matmul_bias(),
      fuse_matmul_activation(),
      fuse_cast_into_weights(),
      fuse_cast_all(),
      fuse_gram_backward_sum(),
      fuse_normalize_images_cast(),
  };
  return rules;
}

}  // namespace engine
