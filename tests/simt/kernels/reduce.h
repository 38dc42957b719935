#pragma once

#include <cuda_runtime_api.h>

namespace engine::samples {

// *sum += sum of x, by `blocks` blocks.
void sum(const float* x, float* sum, int count, int blocks, cudaStream_t stream = nullptr);
// The same with a tree in shared memory.
void sum_by_tree(const float* x, float* sum, int count, cudaStream_t stream = nullptr);
// *positive = how many x are > 0; the last block adds up. `partial` has one entry per 128 elements,
// *ticket is 0 before and after.
void count_positive(const float* x, unsigned* partial, unsigned* ticket, unsigned* positive,
                    int count, cudaStream_t stream = nullptr);

}  // namespace engine::samples
