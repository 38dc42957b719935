#pragma once

#include <cstdint>

#include "engine/kernels/ceil_div.h"

// The products between Winograd's transforms (winograd_transforms.h), in the registers and first
// caches of one thread.
namespace engine::cpu::winograd {

// Columns that lie together and are worked on together: two vectors of AVX-512.
inline constexpr std::int64_t kPanel = 32;
constexpr std::int64_t panels_of(std::int64_t columns) {
  return ceil_div(columns, kPanel);
}

inline constexpr std::int64_t kSpareRows = 7;

// The left side of a product: floats between its rows and between its columns, one of them 1.
struct Factor {
  const float* data = nullptr;
  std::int64_t row = 0, column = 1;
};

// y [rows, 32] = a [rows, k] b [k, 32], or y += it, in f32: each element is a sum in the order of
// k, which is a multiple of 4. Where `rows` is no multiple of 8, up to kSpareRows rows behind the
// last of `a` are read and of y overwritten.
void multiply_panel(const Factor& a, std::int64_t rows, const float* b, std::int64_t k, bool adds,
                    float* y);

}  // namespace engine::cpu::winograd
