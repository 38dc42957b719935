#pragma once

#include "engine/kernels/conv2d.h"

// 3x3 convolutions of stride 1 by Winograd's minimal filtering (winograd_transforms.h): a quarter
// of the multiplications of the definition, all of them in f32. Errors come with the size of a
// whole tile rather than of a single sum: with random data two to four times those of oneDNN's
// direct convolution in f32 (32 to 64 channels, bench/RESULTS.md), in the gradient of w none above
// them, and far below the rounding of a bf16 result. What is NaN or infinite reaches all pixels of
// a 4x4 tile.
namespace engine::cpu {

// `context` is that of the conv2d op or of one of its gradients, whose order of inputs and outputs
// the kernels have.

// Whether the kernels below take the problem: 3x3, stride 1, padding of at most 2, no groups,
// channels in sixteens, f32 or bf16.
bool winograd_can(const Conv2dProblem& problem, const PrepareContext& context);
// Whether they are expected to be faster than direct convolution too, on this processor.
bool winograd_is_faster(const Conv2dProblem& problem, const PrepareContext& context);

// What the last cache holds. Filters up to that size are transformed as a whole, those that never
// change once and for all, which takes four times their own memory; larger ones as they are used,
// with so many patches at a time.
struct WinogradLimits {
  std::int64_t filter_floats = 4 << 20;
  std::int64_t patch_bytes = 20 << 20;
};

std::unique_ptr<Kernel> winograd_conv2d(const Conv2dProblem& problem, Activation activation,
                                        const PrepareContext& context,
                                        const WinogradLimits& limits = {});
std::unique_ptr<Kernel> winograd_conv2d_backward_data(const Conv2dProblem& problem,
                                                      const PrepareContext& context,
                                                      const WinogradLimits& limits = {});
std::unique_ptr<Kernel> winograd_conv2d_backward_weights(const Conv2dProblem& problem,
                                                         const PrepareContext& context);

}  // namespace engine::cpu
