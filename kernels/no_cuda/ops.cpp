// CUDA's entry points in a build without it. No Device::cuda() exists there, so nobody gets here.
#include "engine/core/errors.h"
#include "engine/kernels/batch_norm.h"
#include "engine/kernels/binary.h"
#include "engine/kernels/losses.h"
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
std::unique_ptr<Kernel> prepare_softmax(std::int64_t, std::int64_t) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_softmax_backward(std::int64_t, std::int64_t) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_softmax_cross_entropy(std::int64_t, std::int64_t) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_softmax_cross_entropy_backward(std::int64_t, std::int64_t) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_binary_cross_entropy(std::int64_t) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_binary_cross_entropy_backward(std::int64_t) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_batch_norm_training(const cpu::BatchNormProblem&) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_batch_norm_inference(const cpu::BatchNormProblem&) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_batch_norm_backward(const cpu::BatchNormProblem&) {
  return refuse();
}

}  // namespace engine::cuda
