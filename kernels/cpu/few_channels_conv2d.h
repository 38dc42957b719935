#pragma once

#include "engine/kernels/conv2d.h"
#include "engine/kernels/cpu/few_channels_sums.h"

// The gradient of conv2d with respect to x where x has few channels, as in a first layer: a number
// of dx is the dot product of a filter with the parts of kh rows of dy under it, each of which lies
// together in memory. Eight pixels at a time, so that a vector of a filter is read once for all of
// them and one of dy once for all channels; with bf16 two products in one where the processor has
// avx512_bf16. Each number is a sum of its own over the taps that lead to y, in f32: NaN and
// infinity reach what they reach in a plain sum, and the bits depend on no number of threads.
//
// The floor is that of the products; adding up lanes and, from memory, reading dy come on top.
// 3 channels, 3x3, 32 filters on a Zen 4 with 2 cores (0.22 TFLOP/s in f32, 0.44 in bf16): from
// the second-level cache 96 % of it in f32 and 74 % in bf16, in engine_bench, whose dy comes from
// memory, two thirds (3.1 ms for 64 pictures of 64x64) and 58 % (1.8 ms).
namespace engine::cpu {

// `context` is that of conv2d_backward_data.

// Whether the kernel takes the problem: 1 to 4 channels of x, stride and dilation 1, no groups, f32
// or bf16.
bool few_channels_can(const Conv2dProblem& problem, const PrepareContext& context);
// Whether it is expected to be faster than oneDNN too, on this processor.
bool few_channels_is_faster(const Conv2dProblem& problem, const PrepareContext& context);

// `filters` is the type of w; dy and dx are f32 with Products::f32, otherwise bf16. Scratch: the
// filters in another order.
std::unique_ptr<Kernel> few_channels_conv2d_backward_data(const Conv2dProblem& problem,
                                                          DType filters,
                                                          few_channels::Products products);

}  // namespace engine::cpu
