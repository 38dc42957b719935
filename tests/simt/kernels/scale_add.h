#pragma once

#include <cuda_runtime_api.h>

namespace engine::samples {

// y[i] = scale * x[i] + shift
void scale_add(float* y, const float* x, float scale, float shift, int count, cudaStream_t stream);

}  // namespace engine::samples
