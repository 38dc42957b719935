#pragma once

#include "engine/core/passes.h"

// The rewrites that compile() tries, one file each. Each keeps the meaning of the graph up to
// rounding, and leaves the devices alone that have no kernel for the fused form.
namespace engine {

// max_pool2d(relu(x)) -> max_pool2d(x, activation=relu), and with it in the backward pass
// relu_backward(max_pool2d_backward(dy, argmax), relu(x)) -> max_pool2d_backward(dy, argmax): x is
// then read once and its gradient written once. Both come before the rules that would give the relu
// to what makes x.
FusionRule fuse_max_pool2d_relu();
FusionRule fuse_max_pool2d_backward_relu();
// sum(max_pool2d_backward(dy, argmax), axes 0 to 2) -> a sum over dy.
FusionRule fuse_max_pool2d_backward_sum();
// Drops argmax where no gradient reads it.
FusionRule fuse_max_pool2d_without_argmax();

// add(conv2d(x, w), bias [c]) -> conv2d(x, w, bias).
FusionRule fuse_conv2d_bias();
// relu(conv2d(...)) -> conv2d(..., activation=relu).
FusionRule fuse_conv2d_activation();
// The same for products.
FusionRule fuse_matmul_bias();
FusionRule fuse_matmul_activation();
// cast(w, bf16) in front of the weights of a convolution or product -> w itself: the kernel
// converts as it packs.
FusionRule fuse_cast_into_weights();
// cast(w, bf16) of all parameters -> one cast_all on a GPU, where each cast would be a launch.
FusionRule fuse_cast_all();
// add_n(..., gram_backward(dy, x)) -> gram_backward(dy, x, add_n(...)) on the CPU, in place: a
// tensor less of x's size is alive, and a pass over memory is saved.
FusionRule fuse_gram_backward_sum();
// cast(normalize_images(x), bf16) -> normalize_images(x) in bf16: the same bits.
FusionRule fuse_normalize_images_cast();

}  // namespace engine
