// Products of f32, rounded to tf32, on the tensor cores of 8.x.
#include "engine/kernels/cuda/matmul_mma.h"

namespace engine::cuda {

std::unique_ptr<Kernel> prepare_matmul_mma_tf32(const MatmulProblem& problem, Activation activation,
                                                const MatmulChoice& choice, DType out) {
  return matmul_mma<float>(problem, activation, choice, out);
}

}  // namespace engine::cuda
