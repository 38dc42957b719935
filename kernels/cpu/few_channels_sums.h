#pragma once

#include <cstdint>

#include "engine/core/dtype.h"

// The sums behind few_channels_conv2d.h, in the registers of one thread.
namespace engine::cpu::few_channels {

// What factors are multiplied as.
enum class Products {
  f32,
  bf16,        // made f32 first
  bf16_pairs,  // two at a time, by avx512_bf16
};
Products products_of(DType dtype);  // the best that this processor has

inline constexpr int kMostChannels = 4;
// Pixels at a time. With AVX-512 their sums take up to 24 of the 32 registers; they are a multiple
// of eight.
constexpr int pixels(int channels) {
  return channels == kMostChannels ? 4 : 8;
}

// Vectors of y are read whole, from within y: of no fewer numbers than this.
constexpr std::int64_t least_numbers_of_y(std::int64_t oc) {
  return 32 + 8 * oc;
}

// The filters in the order in which a row of y reads them, each row of taps backwards:
// [kh, ic, kw, oc], with kSpareBytes on either side.
inline constexpr std::int64_t kSpareBytes = 64;

struct BackwardData {
  Products products = Products::f32;
  std::int64_t n = 0, ih = 0, iw = 0, ic = 0, oc = 0, kh = 0, kw = 0, oh = 0, ow = 0;
  std::int64_t padding_h = 0, padding_w = 0;

  std::int64_t run() const { return kw * oc; }  // numbers of y under a row of taps
  std::int64_t filter_bytes() const;
};

// w [oc, kh, kw, ic], f32 or bf16, as products of `problem` take it.
void pack_filters(const BackwardData& problem, DType dtype, const void* w, void* filters);

// Rows [begin, end) of dx, of n * ih. Each element is a sum of its own: the same bits however rows
// are shared out.
void write_rows(const BackwardData& problem, const void* dy, const void* filters,
                std::int64_t begin, std::int64_t end, void* dx);

}  // namespace engine::cpu::few_channels
