#pragma once

#include <cuda_runtime_api.h>

namespace engine::samples {

// NHWC, channels a multiple of 8.
struct MaxPool {
  int n, h, w, c;
  int oh, ow;
  int kh, kw, stride_h, stride_w, padding_h, padding_w;
};

// y and the position (ih * w + iw) of each maximum. T: float, __half, __nv_bfloat16.
template <class T>
void max_pool(const T* x, T* y, int* argmax, const MaxPool& pool);

}  // namespace engine::samples
