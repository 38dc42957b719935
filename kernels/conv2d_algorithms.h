#pragma once

#include <memory>

#include "engine/kernels/conv2d.h"
#include "engine/kernels/conv2d_choice.h"

// The CUDA kernels behind conv2d and its two backward ops, kernels/cuda/conv2d_*.cu;
// conv2d_choice.h chooses among them.
namespace engine::cuda {

struct Conv2dPlan {
  Conv2dDirection direction = Conv2dDirection::forward;
  Conv2dProblem problem;
  Activation activation = Activation::none;  // forward only
  Conv2dChoice choice;
};

// As the plan's choice says, whatever choose_conv2d() would have said: mma rounds f32 to tf32.
// Inputs and outputs are those of the graph op; weights may be f32 with narrower data.
std::unique_ptr<Kernel> prepare_conv2d_as(const Conv2dPlan& plan, const PrepareContext& context);

// The algorithms. All tensors of one floating type, but the bias and the gradient of the weights,
// which are f32.
std::unique_ptr<Kernel> prepare_conv2d_plain(const Conv2dPlan& plan, const PrepareContext& context);
// What few_channels_takes() and depthwise_takes() (kernels/conv2d_special.h) say yes to.
std::unique_ptr<Kernel> prepare_conv2d_few_channels(const Conv2dPlan& plan,
                                                    const PrepareContext& context);
std::unique_ptr<Kernel> prepare_conv2d_depthwise(const Conv2dPlan& plan,
                                                 const PrepareContext& context);
// What conv2d_wgmma_takes() says yes to; pointers are aligned to 16 bytes.
std::unique_ptr<Kernel> prepare_conv2d_wgmma_forward(const Conv2dPlan& plan,
                                                     const PrepareContext& context);
// Pointers are aligned to 16 bytes.
std::unique_ptr<Kernel> prepare_conv2d_mma_forward(const Conv2dPlan& plan,
                                                   const PrepareContext& context);
std::unique_ptr<Kernel> prepare_conv2d_mma_backward_data(const Conv2dPlan& plan,
                                                         const PrepareContext& context);
std::unique_ptr<Kernel> prepare_conv2d_mma_backward_weights(const Conv2dPlan& plan,
                                                            const PrepareContext& context);

}  // namespace engine::cuda
