// CUDA's entry points in a build without it. No Device::cuda() exists there, so nobody gets here.
#include "engine/core/errors.h"
#include "engine/kernels/color_transform.h"
#include "engine/kernels/gram.h"
#include "engine/kernels/lbfgs_update.h"
#include "engine/kernels/mean_squared_difference.h"
#include "engine/kernels/resize.h"
#include "engine/kernels/total_variation.h"

namespace engine::cuda {

namespace {

[[noreturn]] std::unique_ptr<Kernel> refuse() {
  throw InvalidArgument("this library was built without CUDA");
}

}  // namespace

std::unique_ptr<Kernel> prepare_mean_squared_difference(const TensorType&) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_mean_squared_difference_backward(const TensorType&) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_total_variation(const Shape&) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_total_variation_backward(const Shape&) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_color_transform(const ColorTransform&, std::int64_t) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_resize(const ResizeProblem&, const Device&) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_gram(const GramProblem&, const PrepareContext&) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_gram_backward(const GramProblem&, const PrepareContext&) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_lbfgs_update(const LbfgsUpdate&, std::int64_t) {
  return refuse();
}

}  // namespace engine::cuda
