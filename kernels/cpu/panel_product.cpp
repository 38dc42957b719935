#include "engine/kernels/cpu/panel_product.h"

#include <cstring>

#include "engine/core/errors.h"
#include "engine/kernels/cpu/dot_products.h"
#include "engine/kernels/cpu/lanes.h"
#include "engine/kernels/cpu/onednn.h"

namespace engine::cpu {
namespace {

// With AVX-512 the sums of 14 rows take 28 of the 32 registers.
constexpr std::int64_t kMostRows = 14;

constexpr std::int64_t kPrefetch = 16 * kPanel;  // elements ahead
constexpr int kRead = 0, kSecond = 2;            // into the second-level cache

// Sums in memory.
struct Sums {
  template <class T>
  ENGINE_ALWAYS_INLINE static void load_sum(const T* y, Lanes& sum) {
    load_lanes(y, sum);
  }
  template <class T>
  ENGINE_ALWAYS_INLINE static void store_sum(const Lanes& sum, T* y) {
    store_lanes(sum, y);
  }
};

// How elements are multiplied: what a vector of b and an element of a become in registers, and
// their product's addition.
struct Floats : Sums {
  using Element = float;
  using Right = Lanes;
  using Left = float;

  ENGINE_ALWAYS_INLINE static void load_right(const float* from, Right& right) {
    load_lanes(from, right);
  }
  ENGINE_ALWAYS_INLINE static void load_left(const float* from, Left& left) { left = *from; }
  ENGINE_ALWAYS_INLINE static void add(const Left& left, const Right& right, Lanes& sum) {
    sum += left * right;
  }
};

#if ENGINE_HAS_DOT_PRODUCTS
// Instructions as text, as in dot_products.h.
struct DotProducts : Sums {
  using Element = BFloat16Pair;
  using Right = LaneBits;
  using Left = LaneBits;

  ENGINE_ALWAYS_INLINE static void load_right(const BFloat16Pair* from, Right& right) {
    std::memcpy(&right, from, sizeof(right));
  }
  ENGINE_ALWAYS_INLINE static void load_left(const BFloat16Pair* from, Left& left) {
    asm("vpbroadcastd %1, %0" : "=v"(left) : "m"(*from));
  }
  ENGINE_ALWAYS_INLINE static void add(const Left& left, const Right& right, Lanes& sum) {
    add_dot_products(right, left, sum);
  }

  using Sums::load_sum, Sums::store_sum;
  ENGINE_ALWAYS_INLINE static void load_sum(const BFloat16* y, Lanes& sum) {
    LaneHalves halves;
    std::memcpy(&halves, y, sizeof(halves));
    LaneBits bits;
    asm("vpmovzxwd %1, %0" : "=v"(bits) : "vm"(halves));
    sum = (Lanes)(bits << 16);
  }
  ENGINE_ALWAYS_INLINE static void store_sum(const Lanes& sum, BFloat16* y) {
    LaneHalves halves;
    asm("vcvtneps2bf16 %1, %0" : "=v"(halves) : "v"(sum));
    std::memcpy(static_cast<void*>(y), &halves, sizeof(halves));
  }
};
#endif

template <class Arithmetic, bool kAdds, int kRows, class T>
ENGINE_ALWAYS_INLINE void write_rows(Lanes (&sums)[kRows][2], std::int64_t stride, T* y) {
#pragma GCC unroll 14
  for (int row = 0; row < kRows; ++row) {
    for (int half = 0; half < 2; ++half) {
      if constexpr (kAdds) {
        Lanes old;
        Arithmetic::load_sum(y + half * kLanes, old);
        sums[row][half] += old;
      }
      Arithmetic::store_sum(sums[row][half], y + half * kLanes);
    }
    y += stride;
  }
}

template <class Arithmetic, int kRows, bool kByColumns, class T>
ENGINE_ALWAYS_INLINE void multiply_rows(const Factor<typename Arithmetic::Element>& a,
                                        const typename Arithmetic::Element* b, std::int64_t k,
                                        const ProductRows<T>& y) {
  const std::int64_t row_stride = kByColumns ? 1 : a.row, stride = kByColumns ? a.column : 1;
  Lanes sums[kRows][2] = {};
  for (std::int64_t first = 0; first < k; first += kProductUnroll) {
#pragma GCC unroll 4
    for (std::int64_t i = first; i < first + kProductUnroll; ++i) {
      typename Arithmetic::Right left_half, right_half;
      Arithmetic::load_right(b + i * kPanel, left_half);
      Arithmetic::load_right(b + i * kPanel + kLanes, right_half);
      __builtin_prefetch(b + i * kPanel + kPrefetch);
      __builtin_prefetch(b + i * kPanel + kPrefetch + kLanes);
      // The rows behind these are likely the next: one line a step is all of them.
      if (!kByColumns) __builtin_prefetch(a.data + kRows * row_stride + i * kLanes, kRead, kSecond);
#pragma GCC unroll 14
      for (int row = 0; row < kRows; ++row) {
        typename Arithmetic::Left factor;
        Arithmetic::load_left(a.data + row * row_stride + i * stride, factor);
        Arithmetic::add(factor, left_half, sums[row][0]);
        Arithmetic::add(factor, right_half, sums[row][1]);
      }
    }
  }
  if (y.adds) {
    write_rows<Arithmetic, true>(sums, y.stride, y.data);
  } else {
    write_rows<Arithmetic, false>(sums, y.stride, y.data);
  }
}

// The parts that rows are worked on in: from 8 to 14 rows, of nearly equal size, as 8 rows have
// sums enough to hide the latency of an addition. Fewer rows than that are rare.
constexpr std::int64_t part_of(std::int64_t rows) {
  constexpr std::int64_t kEnough = 8, kFew = 4;
  if (rows >= kEnough) return ceil_div(rows, ceil_div(rows, kMostRows));
  return rows >= kFew ? kFew : 1;
}

template <class Arithmetic, bool kByColumns, class T, int kRows = kMostRows>
ENGINE_ALWAYS_INLINE void choose_rows(const Factor<typename Arithmetic::Element>& a,
                                      std::int64_t rows, const typename Arithmetic::Element* b,
                                      std::int64_t k, const ProductRows<T>& y) {
  if (rows == kRows) {
    multiply_rows<Arithmetic, kRows, kByColumns>(a, b, k, y);
  } else if constexpr (kRows > 1) {
    choose_rows<Arithmetic, kByColumns, T, part_of(kRows - 1)>(a, rows, b, k, y);
  }
}

// A function for each arithmetic, order of a and type of y that is asked for.
#define ENGINE_MULTIPLY(target, name, Arithmetic, by_columns, T)                            \
  target void name(const Factor<Arithmetic::Element>& a, std::int64_t rows,                 \
                   const Arithmetic::Element* b, std::int64_t k, const ProductRows<T>& y) { \
    choose_rows<Arithmetic, by_columns>(a, rows, b, k, y);                                  \
  }
ENGINE_MULTIPLY(ENGINE_CPU_CLONES, floats_by_rows, Floats, false, float)
ENGINE_MULTIPLY(ENGINE_CPU_CLONES, floats_by_columns, Floats, true, float)
#if ENGINE_HAS_DOT_PRODUCTS
#define ENGINE_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
ENGINE_MULTIPLY(ENGINE_AVX512, dot_products_by_rows, DotProducts, false, BFloat16)
ENGINE_MULTIPLY(ENGINE_AVX512, dot_products_by_columns, DotProducts, true, float)
#else
template <class T>
void no_dot_products(const Factor<BFloat16Pair>&, std::int64_t, const BFloat16Pair*, std::int64_t,
                     const ProductRows<T>&) {
  throw InvalidArgument("multiply_panel: built without dot products of bf16");
}
constexpr auto dot_products_by_rows = no_dot_products<BFloat16>;
constexpr auto dot_products_by_columns = no_dot_products<float>;
#endif
#undef ENGINE_MULTIPLY

template <class T, class Y, class Multiply>
void multiply_parts(const Factor<T>& a, std::int64_t rows, const T* b, std::int64_t k,
                    const ProductRows<Y>& y, Multiply multiply) {
  Factor<T> part = a;
  ProductRows<Y> part_of_y = y;
  while (rows > 0) {
    const std::int64_t count = part_of(rows);
    multiply(part, count, b, k, part_of_y);
    part.data += count * part.row;
    part_of_y.data += count * y.stride;
    rows -= count;
  }
}

}  // namespace

bool multiplies_floats_fast() {
  return onednn_uses_avx512();
}

bool multiplies_pairs_fast() {
  return has_dot_products() && onednn_uses_avx512() && !cpu_has("amx_bf16");
}

void multiply_panel(const Factor<float>& a, std::int64_t rows, const float* b, std::int64_t k,
                    const ProductRows<float>& y) {
  multiply_parts(a, rows, b, k, y, a.column == 1 ? floats_by_rows : floats_by_columns);
}

void multiply_panel(const Factor<BFloat16Pair>& a, std::int64_t rows, const BFloat16Pair* b,
                    std::int64_t k, const ProductRows<float>& y) {
  multiply_parts(a, rows, b, k, y, dot_products_by_columns);
}

void multiply_panel(const Factor<BFloat16Pair>& a, std::int64_t rows, const BFloat16Pair* b,
                    std::int64_t k, const ProductRows<BFloat16>& y) {
  multiply_parts(a, rows, b, k, y, dot_products_by_rows);
}

}  // namespace engine::cpu
