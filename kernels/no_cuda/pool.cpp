// CUDA's entry points in a build without it. No Device::cuda() exists there, so nobody gets here.
#include "engine/core/errors.h"
#include "engine/kernels/conv2d_algorithms.h"
#include "engine/kernels/pool2d.h"

namespace engine::cuda {

namespace {

[[noreturn]] std::unique_ptr<Kernel> refuse() {
  throw InvalidArgument("this library was built without CUDA");
}

}  // namespace

std::unique_ptr<Kernel> prepare_max_pool2d(const Pool2dProblem&, MaxPool2dOp::Extras, DType) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_max_pool2d_backward(const Pool2dProblem&, DType) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_max_pool2d_backward_sum(std::int64_t, std::int64_t, DType, DType) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_average_pool2d(const Pool2dProblem&, DType) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_average_pool2d_backward(const Pool2dProblem&, DType) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_conv2d_few_channels(const Conv2dPlan&, const PrepareContext&) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_conv2d_depthwise(const Conv2dPlan&, const PrepareContext&) {
  return refuse();
}

}  // namespace engine::cuda
