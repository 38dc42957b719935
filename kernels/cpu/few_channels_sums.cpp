#include "engine/kernels/cpu/few_channels_sums.h"

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>

#include "engine/core/cpu/simd.h"
#include "engine/kernels/cpu/dot_products.h"
#include "engine/kernels/cpu/lanes.h"

// ENGINE_ALWAYS_INLINE for a lambda, behind its parameters.
#define ENGINE_INLINED __attribute__((always_inline))

namespace engine::cpu::few_channels {
namespace {

// Calls body(i) for each i below kCount, which it sees as a constant: what it indexes so are
// registers.
template <int kCount, class Body, int... i>
ENGINE_ALWAYS_INLINE void unroll(const Body& body, std::integer_sequence<int, i...>) {
  (body(std::integral_constant<int, i>()), ...);
}
template <int kCount, class Body>
ENGINE_ALWAYS_INLINE void unroll(const Body& body) {
  unroll<kCount>(body, std::make_integer_sequence<int, kCount>());
}

// Where masks of some lanes are read: zeros, ones, zeros.
template <class Bits, int kCount>
struct Masks {
  constexpr Masks() {
    for (int i = 0; i < kCount; ++i) bits[kCount + i] = static_cast<Bits>(-1);
  }
  Bits bits[3 * kCount] = {};
};
constexpr Masks<std::uint32_t, 16> kLaneMasks;

// All bits of the lanes from `begin` to `end`.
template <class Bits, int kCount, class Vector>
ENGINE_ALWAYS_INLINE void make_mask(const Masks<Bits, kCount>& masks, std::int64_t begin,
                                    std::int64_t end, Vector& mask) {
  Vector to_end;
  std::memcpy(&mask, masks.bits + kCount - begin, sizeof(mask));
  std::memcpy(&to_end, masks.bits + 2 * kCount - end, sizeof(to_end));
  mask &= to_end;
}

typedef Lanes LanesAnywhere __attribute__((aligned(4), may_alias));

// How a vector of y and one of a filter are read and multiplied. Sixteen numbers, in f32.
template <class T>
struct Singles {
  using Data = T;
  using Filter = float;
  using Vector = Lanes;
  using Mask = LaneBits;
  static constexpr std::int64_t kStep = kLanes;

  ENGINE_ALWAYS_INLINE static void load(const BFloat16* from, Vector& to) { load_lanes(from, to); }
  // Volatile, or GCC reads again for each product what should stay in a register.
  ENGINE_ALWAYS_INLINE static void load(const float* from, Vector& to) {
    to = *reinterpret_cast<const volatile LanesAnywhere*>(from);
  }
  ENGINE_ALWAYS_INLINE static void make_mask(std::int64_t begin, std::int64_t end, Mask& mask) {
    few_channels::make_mask(kLaneMasks, begin, end, mask);
  }
  ENGINE_ALWAYS_INLINE static void keep(const Mask& mask, Vector& vector) {
    vector = (Lanes)((LaneBits)vector & mask);
  }
  ENGINE_ALWAYS_INLINE static void add_product(const Vector& a, const Vector& b, Lanes& sums) {
    sums += a * b;
  }
};

#if ENGINE_HAS_DOT_PRODUCTS
typedef std::uint16_t Pairs __attribute__((vector_size(64)));
constexpr Masks<std::uint16_t, 32> kPairMasks;

// Thirty-two numbers, neighbours added to the same sum.
struct PairsOfBf16 {
  using Data = BFloat16;
  using Filter = BFloat16;
  using Vector = Pairs;
  using Mask = Pairs;
  static constexpr std::int64_t kStep = 2 * kLanes;

  ENGINE_ALWAYS_INLINE static void load(const BFloat16* from, Vector& to) {
    std::memcpy(&to, from, sizeof(to));
  }
  ENGINE_ALWAYS_INLINE static void make_mask(std::int64_t begin, std::int64_t end, Mask& mask) {
    few_channels::make_mask(kPairMasks, begin, end, mask);
  }
  ENGINE_ALWAYS_INLINE static void keep(const Mask& mask, Vector& vector) { vector &= mask; }
  ENGINE_ALWAYS_INLINE static void add_product(const Vector& a, const Vector& b, Lanes& sums) {
    add_dot_products(a, b, sums);
  }
};
#endif

// sums[p][c] = sum over rows r and i < length of
//     data[r * data_row + p * data_pixel + i] * filters[r * filter_row + c * filter_channel + i]
template <class Dot>
struct Runs {
  const typename Dot::Data* data;
  const typename Dot::Filter* filters;
  std::int64_t rows, length;
  std::int64_t data_row, data_pixel;
  std::int64_t filter_row, filter_channel;
  std::int64_t before;  // numbers before `data` that may be read
};

template <class Dot, int kPixels, int kChannels>
ENGINE_ALWAYS_INLINE void sum_runs(const Runs<Dot>& runs, Lanes (&sums)[kPixels][kChannels]) {
  using Vector = typename Dot::Vector;
  constexpr std::int64_t kStep = Dot::kStep;
  const std::int64_t whole = runs.length / kStep * kStep;
  for (std::int64_t row = 0; row < runs.rows; ++row) {
    const typename Dot::Data* data = runs.data + row * runs.data_row;
    const typename Dot::Filter* filters = runs.filters + row * runs.filter_row;
    Vector factors[kChannels], x;
    for (std::int64_t i = 0; i < whole; i += kStep) {
      unroll<kChannels>([&](auto c) ENGINE_INLINED {
        Dot::load(filters + c * runs.filter_channel + i, factors[c]);
      });
      unroll<kPixels>([&](auto p) ENGINE_INLINED {
        Dot::load(data + p * runs.data_pixel + i, x);
        unroll<kChannels>([&](auto c)
                              ENGINE_INLINED { Dot::add_product(x, factors[c], sums[p][c]); });
      });
    }
    if (whole == runs.length) continue;
    // The rest ends a vector, or begins one where that would be read from before the tensor.
    const std::int64_t from = std::max(runs.length - kStep, -(runs.before + row * runs.data_row));
    typename Dot::Mask mask;
    Dot::make_mask(std::max<std::int64_t>(whole - from, 0), runs.length - from, mask);
    unroll<kChannels>([&](auto c) ENGINE_INLINED {
      Dot::load(filters + c * runs.filter_channel + from, factors[c]);
      Dot::keep(mask, factors[c]);
    });
    unroll<kPixels>([&](auto p) ENGINE_INLINED {
      Dot::load(data + p * runs.data_pixel + from, x);
      Dot::keep(mask, x);
      unroll<kChannels>([&](auto c)
                            ENGINE_INLINED { Dot::add_product(x, factors[c], sums[p][c]); });
    });
  }
}

// The sums of the lanes of eight vectors, in the first half of the result.
ENGINE_ALWAYS_INLINE void add_lanes(const Lanes (&v)[8], Lanes& result) {
  Lanes pairs[4], quarters[2];
  unroll<4>([&](auto i) ENGINE_INLINED {
    const Lanes &a = v[2 * i], &b = v[2 * i + 1];
    pairs[i] = ENGINE_SHUFFLE(a, b, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29) +
               ENGINE_SHUFFLE(a, b, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
  });
  unroll<2>([&](auto i) ENGINE_INLINED {
    const Lanes &a = pairs[2 * i], &b = pairs[2 * i + 1];
    quarters[i] = ENGINE_SHUFFLE(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29) +
                  ENGINE_SHUFFLE(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
  });
  const Lanes &a = quarters[0], &b = quarters[1];
  const Lanes halves =
      ENGINE_SHUFFLE(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23) +
      ENGINE_SHUFFLE(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
  result = ENGINE_SHUFFLE(halves, halves, 0, 1, 2, 3, 8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11) +
           ENGINE_SHUFFLE(halves, halves, 4, 5, 6, 7, 12, 13, 14, 15, 4, 5, 6, 7, 12, 13, 14, 15);
}

// Eight sums at a time, from the one numbered kFirst on.
template <int kFirst, int kPixels, int kChannels, class T>
ENGINE_ALWAYS_INLINE void write_sums(const Lanes (&sums)[kPixels][kChannels], T* to) {
  constexpr int kCount = std::min(kPixels * kChannels - kFirst, 8);
  Lanes eight[8] = {}, added;
  unroll<kCount>([&](auto i) ENGINE_INLINED {
    eight[i] = sums[(kFirst + i) / kChannels][(kFirst + i) % kChannels];
  });
  add_lanes(eight, added);
  T stored[kLanes];
  store_lanes(added, stored);
  std::memcpy(static_cast<void*>(to + kFirst), stored, kCount * sizeof(T));
  if constexpr (kFirst + 8 < kPixels * kChannels) write_sums<kFirst + 8>(sums, to);
}

// The taps [begin, end) of an axis that lead from pixel `i` of x to pixels of y.
struct Taps {
  std::int64_t begin, end;
};
ENGINE_ALWAYS_INLINE Taps taps_of(std::int64_t i, std::int64_t padding, std::int64_t kernel,
                                  std::int64_t extent) {
  return {std::max<std::int64_t>(0, i + padding - extent + 1), std::min(kernel, i + padding + 1)};
}

// The runs under row `row` of x, as if each began with the first pixel of y.
template <class Dot>
ENGINE_ALWAYS_INLINE Runs<Dot> runs_of_row(const BackwardData& b, const typename Dot::Data* dy,
                                           const typename Dot::Filter* filters, std::int64_t row) {
  const std::int64_t image = row / b.ih, ih = row % b.ih;
  const Taps taps = taps_of(ih, b.padding_h, b.kh, b.oh);
  // From the last tap to the first, which are neighbours in y from the first on.
  const std::int64_t oh = ih + b.padding_h - (taps.end - 1);
  const std::int64_t before = (image * b.oh + oh) * b.ow * b.oc;
  const std::int64_t filter_row = b.ic * b.run();
  return {.data = dy + before,
          .filters = filters + (b.kh - taps.end) * filter_row,
          .rows = taps.end - taps.begin,
          .length = 0,
          .data_row = b.ow * b.oc,
          .data_pixel = b.oc,
          .filter_row = filter_row,
          .filter_channel = b.run(),
          .before = before};
}

template <class Dot, int kPixels, int kChannels>
ENGINE_ALWAYS_INLINE void write_pixels(const BackwardData& b, Runs<Dot> runs, std::int64_t column,
                                       typename Dot::Data* dx) {
  const Taps taps = taps_of(column, b.padding_w, b.kw, b.ow);
  const std::int64_t begin = (column + b.padding_w - (taps.end - 1)) * b.oc;
  runs.data += begin;
  runs.before += begin;
  runs.filters += (b.kw - taps.end) * b.oc;
  runs.length = (taps.end - taps.begin) * b.oc;
  // What the next row reads beyond this one, for the second-level cache.
  const auto* next = reinterpret_cast<const char*>(runs.data + runs.rows * runs.data_row);
  for (std::int64_t i = 0; i < kPixels * b.oc * std::int64_t{sizeof(*runs.data)}; i += 64) {
    __builtin_prefetch(next + i, 0, 2);
  }
  Lanes sums[kPixels][kChannels] = {};
  sum_runs<Dot, kPixels, kChannels>(runs, sums);
  write_sums<0>(sums, dx + column * kChannels);
}

template <class Dot, int kChannels>
ENGINE_ALWAYS_INLINE void write_rows_of(const BackwardData& problem, const void* dy,
                                        const void* filters, std::int64_t begin, std::int64_t end,
                                        void* dx) {
  const BackwardData b = problem;  // which no store can change
  constexpr int kPixels = few_channels::pixels(kChannels);
  const auto* from = static_cast<const typename Dot::Data*>(dy);
  const auto* factors = reinterpret_cast<const typename Dot::Filter*>(
      static_cast<const char*>(filters) + kSpareBytes);
  // The columns under which all taps lead to pixels of y.
  const std::int64_t first = std::clamp<std::int64_t>(b.kw - 1 - b.padding_w, 0, b.iw);
  const std::int64_t last = std::clamp<std::int64_t>(b.ow - b.padding_w, first, b.iw);
  const bool has_blocks = last - first >= kPixels;
  for (std::int64_t row = begin; row < end; ++row) {
    const Runs<Dot> runs = runs_of_row<Dot>(b, from, factors, row);
    auto* to = static_cast<typename Dot::Data*>(dx) + row * b.iw * kChannels;
    for (std::int64_t column = 0; column < b.iw;) {
      if (!has_blocks || column < first || column >= last) {
        write_pixels<Dot, 1, kChannels>(b, runs, column, to);
        ++column;
        continue;
      }
      // What is left of a row is made with some of the pixels before it, again and the same.
      const std::int64_t at = std::min(column, last - kPixels);
      write_pixels<Dot, kPixels, kChannels>(b, runs, at, to);
      column = at + kPixels;
    }
  }
}

template <class Dot>
ENGINE_ALWAYS_INLINE void choose_channels(const BackwardData& b, const void* dy,
                                          const void* filters, std::int64_t begin, std::int64_t end,
                                          void* dx) {
  switch (b.ic) {
    case 1:
      return write_rows_of<Dot, 1>(b, dy, filters, begin, end, dx);
    case 2:
      return write_rows_of<Dot, 2>(b, dy, filters, begin, end, dx);
    case 3:
      return write_rows_of<Dot, 3>(b, dy, filters, begin, end, dx);
    default:
      return write_rows_of<Dot, 4>(b, dy, filters, begin, end, dx);
  }
}

ENGINE_CPU_CLONES void write_rows_f32(const BackwardData& b, const void* dy, const void* filters,
                                      std::int64_t begin, std::int64_t end, void* dx) {
  choose_channels<Singles<float>>(b, dy, filters, begin, end, dx);
}
ENGINE_CPU_CLONES void write_rows_bf16(const BackwardData& b, const void* dy, const void* filters,
                                       std::int64_t begin, std::int64_t end, void* dx) {
  choose_channels<Singles<BFloat16>>(b, dy, filters, begin, end, dx);
}
#if ENGINE_HAS_DOT_PRODUCTS
__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma"))) void write_rows_bf16_pairs(
    const BackwardData& b, const void* dy, const void* filters, std::int64_t begin,
    std::int64_t end, void* dx) {
  choose_channels<PairsOfBf16>(b, dy, filters, begin, end, dx);
}
#endif

template <class From, class To, class Round>
void pack(const BackwardData& b, const From* w, To* to, const Round& round) {
  for (std::int64_t kh = b.kh - 1; kh >= 0; --kh) {
    for (std::int64_t c = 0; c < b.ic; ++c) {
      for (std::int64_t kw = b.kw - 1; kw >= 0; --kw) {
        for (std::int64_t oc = 0; oc < b.oc; ++oc) {
          *to++ = round(load(w[((oc * b.kh + kh) * b.kw + kw) * b.ic + c]));
        }
      }
    }
  }
}

template <class From>
void pack_from(const BackwardData& b, const From* w, void* filters) {
  void* to = static_cast<char*>(filters) + kSpareBytes;
  switch (b.products) {
    case Products::f32:
      return pack(b, w, static_cast<float*>(to), [](float value) { return value; });
    case Products::bf16:
      return pack(b, w, static_cast<float*>(to), [](float value) { return load(BFloat16(value)); });
    case Products::bf16_pairs:
      return pack(b, w, static_cast<BFloat16*>(to), [](float value) { return BFloat16(value); });
  }
}

}  // namespace

Products products_of(DType dtype) {
  if (dtype == DType::f32) return Products::f32;
  return has_dot_products() ? Products::bf16_pairs : Products::bf16;
}

std::int64_t BackwardData::filter_bytes() const {
  const std::int64_t number = products == Products::bf16_pairs ? 2 : 4;
  return 2 * kSpareBytes + kh * ic * run() * number;
}

void pack_filters(const BackwardData& problem, DType dtype, const void* w, void* filters) {
  if (dtype == DType::f32) {
    pack_from(problem, static_cast<const float*>(w), filters);
  } else {
    pack_from(problem, static_cast<const BFloat16*>(w), filters);
  }
}

void write_rows(const BackwardData& problem, const void* dy, const void* filters,
                std::int64_t begin, std::int64_t end, void* dx) {
  switch (problem.products) {
    case Products::f32:
      return write_rows_f32(problem, dy, filters, begin, end, dx);
    case Products::bf16:
      return write_rows_bf16(problem, dy, filters, begin, end, dx);
    case Products::bf16_pairs:
#if ENGINE_HAS_DOT_PRODUCTS
      return write_rows_bf16_pairs(problem, dy, filters, begin, end, dx);
#else
      return;
#endif
  }
}

}  // namespace engine::cpu::few_channels
