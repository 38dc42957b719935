#include "engine/core/cuda/launch.h"
#include "scale_add.h"

namespace engine::samples {

__global__ void scale_add_kernel(float* y, const float* x, float scale, float shift, int count) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) y[i] = scale * x[i] + shift;
}

void scale_add(float* y, const float* x, float scale, float shift, int count, cudaStream_t stream) {
  const cuda::LaunchConfig config{.grid = static_cast<unsigned>((count + 127) / 128), .block = 128};
  ENGINE_LAUNCH(scale_add_kernel, config, stream, y, x, scale, shift, count);
}

}  // namespace engine::samples
