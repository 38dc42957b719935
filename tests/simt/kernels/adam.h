#pragma once

#include <cuda_bf16.h>

namespace engine::samples {

constexpr int kMostTensors = 48;

// All tensors of one update, passed to the kernel by value.
struct AdamTable {
  float* parameter[kMostTensors];
  const float* gradient[kMostTensors];
  float* mean[kMostTensors];
  float* variance[kMostTensors];
  __nv_bfloat16* copy[kMostTensors];  // of the parameter
  int size[kMostTensors];
  int first_block[kMostTensors + 1];
  int count;
};

struct AdamStep {
  float learning_rate, beta1, beta2, epsilon, weight_decay;
  float mean_correction, variance_correction;  // 1 / (1 - beta^t)
};

// Loshchilov and Hutter 2017, arXiv:1711.05101. Fills in first_block.
void adam(AdamTable& table, const AdamStep& step);

}  // namespace engine::samples
