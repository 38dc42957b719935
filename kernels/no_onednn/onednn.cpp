// Stands in for kernels/cpu/onednn*.cpp where ENGINE_ONEDNN=OFF: the CPU then has no convolutions
// and products. For machines whose GPU does the work.
#include "engine/kernels/cpu/onednn.h"

#include "engine/core/errors.h"

namespace engine::cpu {
namespace {

[[noreturn]] std::unique_ptr<Kernel> refuse(const char* op) {
  throw InvalidArgument(join(op, ": no CPU kernel, because this library was built without oneDNN"));
}

}  // namespace

std::string onednn_version() {
  return "none";
}

bool onednn_uses_avx512() {
  return false;
}

std::unique_ptr<Kernel> onednn_conv2d(const Conv2dProblem&, Activation, const PrepareContext&) {
  refuse("conv2d");
}
std::unique_ptr<Kernel> onednn_conv2d_backward_data(const Conv2dProblem&, const PrepareContext&) {
  refuse("conv2d_backward_data");
}
std::unique_ptr<Kernel> onednn_conv2d_backward_weights(const Conv2dProblem&,
                                                       const PrepareContext&) {
  refuse("conv2d_backward_weights");
}
std::unique_ptr<Kernel> onednn_matmul(const MatmulProblem&, const PrepareContext&, bool) {
  refuse("matmul");
}

}  // namespace engine::cpu
