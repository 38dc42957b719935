#pragma once

#include <cstdint>

#include "engine/core/dtype.h"
#include "engine/kernels/ceil_div.h"

// Products in the registers and first caches of one thread, sums in f32: the work between
// Winograd's transforms (winograd_transforms.h) and of Gram matrices.
namespace engine::cpu {

// Columns that lie together and are worked on together: two vectors of AVX-512.
inline constexpr std::int64_t kPanel = 32;
constexpr std::int64_t panels_of(std::int64_t columns) {
  return ceil_div(columns, kPanel);
}

// The length of a product's sums is a multiple of this.
inline constexpr std::int64_t kProductUnroll = 4;

// Two bf16 that follow each other along the sum of a product.
struct BFloat16Pair {
  BFloat16 first, second;
};

// Whether the products below are as fast on this processor as oneDNN's: with AVX-512. Those of
// pairs need its dot products too, and are the slower ones beside matrix units.
bool multiplies_floats_fast();
bool multiplies_pairs_fast();

// The left side of a product: elements between its rows and between its columns, one of them 1.
template <class T>
struct Factor {
  const T* data = nullptr;
  std::int64_t row = 0, column = 1;
};

// The result: `stride` elements between its rows. With `adds` the product is added to what is
// there; bf16 is rounded once.
template <class T>
struct ProductRows {
  T* data = nullptr;
  std::int64_t stride = kPanel;
  bool adds = false;
};

// y [rows, 32] = a [rows, k] b [k, 32]: each element is a sum in the order of k, a multiple of
// kProductUnroll. Runs on every processor; on those without AVX-512 it is slow.
void multiply_panel(const Factor<float>& a, std::int64_t rows, const float* b, std::int64_t k,
                    const ProductRows<float>& y);
// The same with pairs, of which k counts the steps, for processors with dot products of bf16. Those
// take denormal numbers for 0. With results in f32 a's rows lie together, with results in bf16 its
// columns do.
void multiply_panel(const Factor<BFloat16Pair>& a, std::int64_t rows, const BFloat16Pair* b,
                    std::int64_t k, const ProductRows<float>& y);
void multiply_panel(const Factor<BFloat16Pair>& a, std::int64_t rows, const BFloat16Pair* b,
                    std::int64_t k, const ProductRows<BFloat16>& y);

}  // namespace engine::cpu
