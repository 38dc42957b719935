// Products of bf16 on the tensor cores of 8.x.
#include "engine/kernels/cuda/matmul_mma.h"

namespace engine::cuda {

std::unique_ptr<Kernel> prepare_matmul_mma(const MatmulProblem& problem, Activation activation,
                                           const MatmulChoice& choice,
                                           const PrepareContext& context) {
  const DType out = context.outputs[0].dtype;
  switch (context.inputs[0].dtype) {
    case DType::f16:
      return prepare_matmul_mma_f16(problem, activation, choice, out);
    case DType::f32:
      return prepare_matmul_mma_tf32(problem, activation, choice, out);
    default:
      return matmul_mma<__nv_bfloat16>(problem, activation, choice, out);
  }
}

}  // namespace engine::cuda
