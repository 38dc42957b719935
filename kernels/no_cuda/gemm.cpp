// CUDA's products in a build without it. No Device::cuda() exists there, so nobody gets here.
#include "engine/core/errors.h"
#include "engine/kernels/matmul_choice.h"

namespace engine::cuda {

namespace {

[[noreturn]] std::unique_ptr<Kernel> refuse() {
  throw InvalidArgument("this library was built without CUDA");
}

}  // namespace

std::unique_ptr<Kernel> prepare_matmul_plain(const MatmulProblem&, Activation, const MatmulChoice&,
                                             const PrepareContext&) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_matmul_mma(const MatmulProblem&, Activation, const MatmulChoice&,
                                           const PrepareContext&) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_matmul_wgmma(const MatmulProblem&, Activation, const MatmulChoice&,
                                             const PrepareContext&, std::unique_ptr<Kernel>) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_matmul_cublaslt(const MatmulProblem&, Activation,
                                                const PrepareContext&, std::unique_ptr<Kernel>) {
  return refuse();
}

}  // namespace engine::cuda
