#include "matrix_product.h"

#include <cstring>

#include "engine/core/cpu_clones.h"

namespace engine::simt {
namespace {

// Eight columns; every clone splits it into the registers that its instruction set has.
typedef float Columns __attribute__((vector_size(32)));

ENGINE_ALWAYS_INLINE Columns load(const float* p) {
  Columns v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

// Four rows at once: independent chains of additions.
constexpr int kRows = 4;

ENGINE_ALWAYS_INLINE void multiply(const float (&a)[16][16], const float* b, float* d, int stride,
                                   int k) {
  for (int row = 0; row < 16; row += kRows) {
    Columns sum[kRows];
    for (int i = 0; i < kRows; i++) sum[i] = load(d + (row + i) * stride);
    for (int inner = 0; inner < k; inner++) {
      const Columns columns = load(b + inner * stride);
      for (int i = 0; i < kRows; i++) sum[i] += a[row + i][inner] * columns;
    }
    for (int i = 0; i < kRows; i++) std::memcpy(d + (row + i) * stride, &sum[i], sizeof sum[i]);
  }
}

}  // namespace

ENGINE_CPU_CLONES
void multiply_16x8(const float (&a)[16][16], const float (&b)[16][8], float (&d)[16][8], int k) {
  multiply(a, b[0], d[0], 8, k);
}

ENGINE_CPU_CLONES
void multiply_16xn(const float (&a)[16][16], const float* b, float* d, int n, int k) {
  for (int column = 0; column < n; column += 8) multiply(a, b + column, d + column, n, k);
}

}  // namespace engine::simt
