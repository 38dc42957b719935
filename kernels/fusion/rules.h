#pragma once

#include "engine/core/passes.h"

// The rewrites that compile() tries, one file each. Each keeps the meaning of the graph up to
// rounding, and asks the device whether its kernels take the fused form.
namespace engine {

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
// cast(normalize_images(x), bf16) -> normalize_images(x) in bf16: the same bits.
FusionRule fuse_normalize_images_cast();

}  // namespace engine
