// Convolutions on the CPU: by Winograd's way, by dot products where channels are few, or oneDNN's;
// the empty batch, which oneDNN refuses in places.
#include <cstring>

#include "engine/kernels/cpu/few_channels_conv2d.h"
#include "engine/kernels/cpu/onednn.h"
#include "engine/kernels/cpu/winograd_conv2d.h"

namespace engine::cpu {
namespace {

// No images: data tensors are empty, the gradient of the weights is zero.
std::unique_ptr<Kernel> zeros_kernel(const PrepareContext& context) {
  const std::int64_t bytes = context.outputs[0].bytes();
  return make_kernel(
      [bytes](const Stream&, const Buffers& buffers) {
        if (bytes > 0) std::memset(buffers.outputs[0], 0, static_cast<std::size_t>(bytes));
      },
      0, "empty batch");
}

}  // namespace

std::unique_ptr<Kernel> prepare_conv2d(const Conv2dProblem& problem, Activation activation,
                                       const PrepareContext& context) {
  if (problem.n == 0) return zeros_kernel(context);
  if (winograd_is_faster(problem, context)) return winograd_conv2d(problem, activation, context);
  return onednn_conv2d(problem, activation, context);
}

std::unique_ptr<Kernel> prepare_conv2d_backward_data(const Conv2dProblem& problem,
                                                     const PrepareContext& context) {
  if (problem.n == 0) return zeros_kernel(context);
  if (winograd_is_faster(problem, context)) {
    return winograd_conv2d_backward_data(problem, context);
  }
  if (few_channels_is_faster(problem, context)) {
    return few_channels_conv2d_backward_data(problem, context.inputs[1].dtype,
                                             few_channels::products_of(context.inputs[0].dtype));
  }
  return onednn_conv2d_backward_data(problem, context);
}

std::unique_ptr<Kernel> prepare_conv2d_backward_weights(const Conv2dProblem& problem,
                                                        const PrepareContext& context) {
  if (problem.n == 0) return zeros_kernel(context);
  if (winograd_is_faster(problem, context)) {
    return winograd_conv2d_backward_weights(problem, context);
  }
  return onednn_conv2d_backward_weights(problem, context);
}

}  // namespace engine::cpu
