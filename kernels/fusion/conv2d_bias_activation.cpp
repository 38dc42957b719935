#include "engine/kernels/conv2d.h"
#include "engine/kernels/fusion/bias_activation.h"
#include "engine/kernels/fusion/rules.h"

namespace engine {

FusionRule fuse_conv2d_bias() {
  return fusion::bias_rule<Conv2dOp, &Conv2dOp::geometry>("conv2d + bias");
}

FusionRule fuse_conv2d_activation() {
  return fusion::relu_rule<Conv2dOp, &Conv2dOp::geometry>("conv2d + relu");
}

}  // namespace engine
