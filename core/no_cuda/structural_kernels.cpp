// CUDA's entry points in a build without it. No Device::cuda() exists there, so nobody gets here.
#include "engine/core/structural_kernels.h"

#include "engine/core/errors.h"

namespace engine::cuda {

namespace {

[[noreturn]] std::unique_ptr<Kernel> refuse() {
  throw InvalidArgument("this library was built without CUDA");
}

}  // namespace

std::unique_ptr<Kernel> prepare_cast(const PrepareContext&) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_add_n(const PrepareContext&) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_advance_clock(const PrepareContext&) {
  return refuse();
}

}  // namespace engine::cuda
