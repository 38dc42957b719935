#pragma once

// The arithmetic of tensor cores, in f32 with whatever order and contraction the compiler picks.
namespace engine::simt {

// d[16][8] += a[16][k] * b[k][8], k <= 16
void multiply_16x8(const float (&a)[16][16], const float (&b)[16][8], float (&d)[16][8], int k);

// d[16][n] += a[16][k] * b[k][n], k <= 16, n a multiple of 8
void multiply_16xn(const float (&a)[16][16], const float* b, float* d, int n, int k);

}  // namespace engine::simt
