// Products of f16 on the tensor cores of 8.x.
#include "engine/kernels/cuda/matmul_mma.h"

namespace engine::cuda {

std::unique_ptr<Kernel> prepare_matmul_mma_f16(const MatmulProblem& problem, Activation activation,
                                               const MatmulChoice& choice, DType out) {
  return matmul_mma<__half>(problem, activation, choice, out);
}

}  // namespace engine::cuda
