// CUDA's entry points in a build without it. No Device::cuda() exists there, so nobody gets here.
#include "engine/core/errors.h"
#include "engine/kernels/batch_norm.h"
#include "engine/kernels/binary.h"
#include "engine/kernels/cast_all.h"
#include "engine/kernels/color_transform.h"
#include "engine/kernels/conv2d_algorithms.h"
#include "engine/kernels/cpu/gather_rows.h"
#include "engine/kernels/cpu/image.h"
#include "engine/kernels/cpu/optimizer_update.h"
#include "engine/kernels/cpu/random.h"
#include "engine/kernels/cpu/record.h"
#include "engine/kernels/cpu/schedule.h"
#include "engine/kernels/gram.h"
#include "engine/kernels/lbfgs_update.h"
#include "engine/kernels/losses.h"
#include "engine/kernels/matmul_choice.h"
#include "engine/kernels/mean_squared_difference.h"
#include "engine/kernels/pool2d.h"
#include "engine/kernels/reduce.h"
#include "engine/kernels/resize.h"
#include "engine/kernels/total_variation.h"
#include "engine/kernels/unary.h"

namespace engine::cuda {

namespace {

[[noreturn]] std::unique_ptr<Kernel> refuse() {
  throw InvalidArgument("this library was built without CUDA");
}

}  // namespace

std::unique_ptr<Kernel> prepare_gather_rows(const PrepareContext&) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_normalize_images(const Normalization&, const PrepareContext&) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_random_geometry(const RandomImageOptions&, std::uint64_t,
                                                const PrepareContext&) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_sgd_update(const SgdUpdate&, int, const PrepareContext&) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_adam_update(const AdamUpdate&, int, const PrepareContext&) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_squared_norm(const PrepareContext&) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_random(cpu::Distribution, std::uint64_t, const PrepareContext&) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_dropout(float, std::uint64_t, const PrepareContext&) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_shuffled_rows(std::int64_t, std::uint64_t, const PrepareContext&) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_record_in_ring(const PrepareContext&) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_schedule(const Schedule&) {
  return refuse();
}
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
std::unique_ptr<Kernel> prepare_cast_all(const PrepareContext&) {
  return refuse();
}
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
void gram_scale(const Stream&, const GramProblem&, float*) {
  refuse();
}
void gram_symmetric_sum(const Stream&, const GramProblem&, const float*, DType, void*) {
  refuse();
}
std::unique_ptr<Kernel> prepare_lbfgs_update(const LbfgsUpdate&, std::int64_t) {
  return refuse();
}

}  // namespace engine::cuda
