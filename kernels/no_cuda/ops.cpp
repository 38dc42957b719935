// CUDA's entry points in a build without it. No Device::cuda() exists there, so nobody gets here.
#include "engine/core/errors.h"
#include "engine/kernels/binary.h"
#include "engine/kernels/reduce.h"
#include "engine/kernels/unary.h"

namespace engine::cuda {

namespace {

[[noreturn]] std::unique_ptr<Kernel> refuse() {
  throw InvalidArgument("this library was built without CUDA");
}

}  // namespace

std::unique_ptr<Kernel> prepare_unary(UnaryMember, const TensorType&) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_unary_backward(UnaryMember, const TensorType&) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_binary(BinaryMember, Repeat, const PrepareContext&) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_reduce(ReduceMember, const ReduceExtents&, DType) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_reduce_backward(ReduceMember, const ReduceExtents&, DType) {
  return refuse();
}

}  // namespace engine::cuda
