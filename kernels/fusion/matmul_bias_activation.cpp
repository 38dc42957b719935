#include "engine/kernels/fusion/bias_activation.h"
#include "engine/kernels/fusion/rules.h"
#include "engine/kernels/matmul.h"

namespace engine {

FusionRule fuse_matmul_bias() {
  return fusion::bias_rule<MatmulOp, &MatmulOp::options>("matmul + bias");
}

FusionRule fuse_matmul_activation() {
  return fusion::relu_rule<MatmulOp, &MatmulOp::options>("matmul + relu");
}

}  // namespace engine
