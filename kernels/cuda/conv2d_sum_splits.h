#pragma once

#include <cstdint>

#include <cuda_runtime.h>

#include "engine/core/dtype.h"
#include "engine/kernels/activation.h"

namespace engine::cuda {

// The last step of a convolution whose sums were split.
//   out[i] = activation(partials[0][i] + partials[1][i] + ... + bias[i % channels])
struct SplitSum {
  std::int64_t count = 0;  // elements of `out` and of each of the partial results
  int splits = 1;
  int channels = 1;
  DType out_dtype = DType::f32;
  Activation activation = Activation::none;

  std::int64_t scratch_bytes() const { return splits > 1 ? splits * count * 4 : 0; }
};

// `bias` may be null. Sums in the order of the splits: the same bits in every run.
void sum_splits(cudaStream_t stream, const SplitSum& sum, const float* partials, const float* bias,
                void* out);

}  // namespace engine::cuda
