// CUDA's entry points in a build without it. No Device::cuda() exists there, so nobody gets here.
#include "engine/core/errors.h"
#include "engine/kernels/conv2d_algorithms.h"

namespace engine::cuda {

namespace {

[[noreturn]] std::unique_ptr<Kernel> refuse() {
  throw InvalidArgument("this library was built without CUDA");
}

}  // namespace

std::unique_ptr<Kernel> prepare_conv2d_wgmma_forward(const Conv2dPlan&, const PrepareContext&) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_conv2d_plain(const Conv2dPlan&, const PrepareContext&) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_conv2d_mma_forward(const Conv2dPlan&, const PrepareContext&) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_conv2d_mma_backward_data(const Conv2dPlan&, const PrepareContext&) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_conv2d_mma_backward_weights(const Conv2dPlan&,
                                                            const PrepareContext&) {
  return refuse();
}

}  // namespace engine::cuda
