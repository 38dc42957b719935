#pragma once

#include <cuda_bf16.h>

namespace engine::samples {

// NHWC images, weights [k, r, s, c]; c a multiple of 32, k even.
struct Conv2d {
  int n, h, w, c;
  int k, r, s;
  int oh, ow;
  int stride, padding;
  bool relu;
};

// y = alpha * conv(x, w) + bias, perhaps with relu.
void conv2d_forward(const __nv_bfloat16* x, const __nv_bfloat16* w, const float* bias,
                    __nv_bfloat16* y, const Conv2d& conv, float alpha);

}  // namespace engine::samples
