#pragma once

#include <cuda_bf16.h>

namespace engine::samples {

// c[m][n] = a[m][k] * b[n][k]; k and n multiples of 8.
struct Matmul {
  int m, n, k;
  int blocks;       // at most; tiles are dealt out among them
  int cluster = 1;  // 1 or 2: blocks that share b
};
void matmul_sm90(const __nv_bfloat16* a, const __nv_bfloat16* b, __nv_bfloat16* c,
                 const Matmul& problem);

}  // namespace engine::samples
