#include "engine/kernels/cpu/max_pool2d_two_by_two.h"

#include <algorithm>

#include "engine/core/cpu/parallel.h"
#include "engine/core/cpu/simd.h"

// The pooling of most nets, bound by memory: a task reads two rows of the image and writes one row
// of y, backward the reverse. bf16 is compared as 16-bit integers, twice as many in a register as
// floats would be.
namespace engine::cpu {
namespace {

// A value with a total order in which NaN is largest: what the maximum works on.
struct FloatKey {
  using Storage = float;
  using Key = float;
  using Index = std::int32_t;
  ENGINE_ALWAYS_INLINE static float key(float x) { return x; }
  ENGINE_ALWAYS_INLINE static bool exceeds(float x, float best) { return (x > best) | (x != x); }
  ENGINE_ALWAYS_INLINE static float value(float key) { return key; }
};

// bf16 is sign and magnitude; its key is two's complement, with both zeros 0 and NaN positive.
struct BFloat16Key {
  using Storage = BFloat16;
  using Key = std::int16_t;
  using Index = std::int16_t;
  ENGINE_ALWAYS_INLINE static Key key(BFloat16 x) {
    const auto bits = static_cast<Key>(x.bits);
    const auto magnitude = static_cast<Key>(bits & 0x7fff);
    const auto with_sign = static_cast<Key>(bits < 0 ? -magnitude : magnitude);
    return magnitude > 0x7f80 ? magnitude : with_sign;
  }
  ENGINE_ALWAYS_INLINE static bool exceeds(Key x, Key best) { return x > best; }
  ENGINE_ALWAYS_INLINE static BFloat16 value(Key key) {
    const auto negative = static_cast<Key>(-key | -0x8000);
    BFloat16 result;
    result.bits = static_cast<std::uint16_t>(key < 0 ? negative : key);
    return result;
  }
};

struct Rows {
  std::int64_t windows, channels;
};

// The four corners of a window for `kCount` channels, a count that the compiler knows. The position
// passes through memory in the width of the values: a loop that also narrowed it to bytes would be
// vectorised by the byte and leave registers three quarters empty.
template <class K, bool kRelu, bool kArgmax, std::int64_t kCount>
ENGINE_ALWAYS_INLINE void max_block(const typename K::Storage* upper,
                                    const typename K::Storage* lower, std::int64_t c,
                                    typename K::Storage* y, std::uint8_t* argmax) {
  using Key = typename K::Key;
  using Index = typename K::Index;
  Index position[kCount];
#pragma omp simd
  for (std::int64_t i = 0; i < kCount; ++i) {
    const Key right = K::key(upper[c + i]), below = K::key(lower[i]), last = K::key(lower[c + i]);
    Key best = K::key(upper[i]);
    Index index = 0;
    index = K::exceeds(right, best) ? Index{1} : index;
    best = K::exceeds(right, best) ? right : best;
    index = K::exceeds(below, best) ? Index{2} : index;
    best = K::exceeds(below, best) ? below : best;
    index = K::exceeds(last, best) ? Index{3} : index;
    best = K::exceeds(last, best) ? last : best;
    if (kRelu) {
      index = best <= Key{0} ? Index{255} : index;
      best = best <= Key{0} ? Key{0} : best;
    }
    y[i] = K::value(best);
    if (kArgmax) position[i] = index;
  }
  if (!kArgmax) return;
#pragma omp simd
  for (std::int64_t i = 0; i < kCount; ++i) argmax[i] = static_cast<std::uint8_t>(position[i]);
}

template <class K, bool kRelu, bool kArgmax>
ENGINE_ALWAYS_INLINE void max_rows(const typename K::Storage* upper,
                                   const typename K::Storage* lower, const Rows& rows,
                                   typename K::Storage* y, std::uint8_t* argmax) {
  const std::int64_t c = rows.channels;
  for (std::int64_t window = 0; window < rows.windows; ++window) {
    std::int64_t i = 0;
    for (; i + 32 <= c; i += 32) {
      max_block<K, kRelu, kArgmax, 32>(upper + i, lower + i, c, y + i, argmax + i);
    }
    for (; i + 8 <= c; i += 8) {
      max_block<K, kRelu, kArgmax, 8>(upper + i, lower + i, c, y + i, argmax + i);
    }
    for (; i + 2 <= c; i += 2) {
      max_block<K, kRelu, kArgmax, 2>(upper + i, lower + i, c, y + i, argmax + i);
    }
    for (; i < c; ++i) {
      max_block<K, kRelu, kArgmax, 1>(upper + i, lower + i, c, y + i, argmax + i);
    }
    upper += 2 * c;
    lower += 2 * c;
    y += c;
    argmax += kArgmax ? c : 0;
  }
}

// `Bits` is an integer of the storage's size: values only move.
template <class Bits, std::int64_t kCount>
ENGINE_ALWAYS_INLINE void spread_block(const Bits* dy, const std::uint8_t* argmax, std::int64_t c,
                                       Bits* upper, Bits* lower) {
  Bits position[kCount];
#pragma omp simd
  for (std::int64_t i = 0; i < kCount; ++i) position[i] = argmax[i];
#pragma omp simd
  for (std::int64_t i = 0; i < kCount; ++i) {
    upper[i] = position[i] == 0 ? dy[i] : Bits{0};
    upper[c + i] = position[i] == 1 ? dy[i] : Bits{0};
    lower[i] = position[i] == 2 ? dy[i] : Bits{0};
    lower[c + i] = position[i] == 3 ? dy[i] : Bits{0};
  }
}

template <class Bits>
ENGINE_ALWAYS_INLINE void spread_rows(const Bits* dy, const std::uint8_t* argmax, const Rows& rows,
                                      Bits* upper, Bits* lower) {
  const std::int64_t c = rows.channels;
  for (std::int64_t window = 0; window < rows.windows; ++window) {
    std::int64_t i = 0;
    for (; i + 32 <= c; i += 32) {
      spread_block<Bits, 32>(dy + i, argmax + i, c, upper + i, lower + i);
    }
    for (; i + 8 <= c; i += 8) spread_block<Bits, 8>(dy + i, argmax + i, c, upper + i, lower + i);
    for (; i < c; ++i) spread_block<Bits, 1>(dy + i, argmax + i, c, upper + i, lower + i);
    dy += c;
    argmax += c;
    upper += 2 * c;
    lower += 2 * c;
  }
}

#define ENGINE_MAX_ROWS(name, K, relu, with_argmax)                                               \
  ENGINE_CPU_CLONES void name(const K::Storage* upper, const K::Storage* lower, const Rows& rows, \
                              K::Storage* y, std::uint8_t* argmax) {                              \
    max_rows<K, relu, with_argmax>(upper, lower, rows, y, argmax);                                \
  }
ENGINE_MAX_ROWS(max_f32, FloatKey, false, false)
ENGINE_MAX_ROWS(max_f32_argmax, FloatKey, false, true)
ENGINE_MAX_ROWS(max_f32_relu, FloatKey, true, false)
ENGINE_MAX_ROWS(max_f32_relu_argmax, FloatKey, true, true)
ENGINE_MAX_ROWS(max_bf16, BFloat16Key, false, false)
ENGINE_MAX_ROWS(max_bf16_argmax, BFloat16Key, false, true)
ENGINE_MAX_ROWS(max_bf16_relu, BFloat16Key, true, false)
ENGINE_MAX_ROWS(max_bf16_relu_argmax, BFloat16Key, true, true)
#undef ENGINE_MAX_ROWS

ENGINE_CPU_CLONES void spread_32(const std::int32_t* dy, const std::uint8_t* argmax,
                                 const Rows& rows, std::int32_t* upper, std::int32_t* lower) {
  spread_rows(dy, argmax, rows, upper, lower);
}
ENGINE_CPU_CLONES void spread_16(const std::int16_t* dy, const std::uint8_t* argmax,
                                 const Rows& rows, std::int16_t* upper, std::int16_t* lower) {
  spread_rows(dy, argmax, rows, upper, lower);
}

template <class T>
using MaxRows = void (*)(const T*, const T*, const Rows&, T*, std::uint8_t*);
template <class Bits>
using SpreadRows = void (*)(const Bits*, const std::uint8_t*, const Rows&, Bits*, Bits*);

template <class T>
std::unique_ptr<Kernel> forward_kernel(const Pool2dProblem& p, bool with_argmax, MaxRows<T> body) {
  return make_kernel(
      [=](const Stream& stream, const Buffers& buffers) {
        const T* x = buffers.in<T>(0);
        T* y = buffers.out<T>(0);
        std::uint8_t* argmax = with_argmax ? buffers.out<std::uint8_t>(1) : nullptr;
        const std::int64_t in_row = p.iw * p.c, out_row = p.ow * p.c;
        parallel_for(stream, p.n * p.oh, 2 * in_row, [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t i = begin; i < end; ++i) {
            const T* upper = x + (i / p.oh * p.ih + i % p.oh * 2) * in_row;
            body(upper, upper + in_row, {p.ow, p.c}, y + i * out_row,
                 with_argmax ? argmax + i * out_row : nullptr);
          }
        });
      },
      0, "two by two");
}

template <class Bits>
std::unique_ptr<Kernel> backward_kernel(const Pool2dProblem& p, SpreadRows<Bits> body) {
  return make_kernel(
      [=](const Stream& stream, const Buffers& buffers) {
        const Bits* dy = buffers.in<Bits>(0);
        const auto* argmax = buffers.in<std::uint8_t>(1);
        Bits* dx = buffers.out<Bits>(0);
        const std::int64_t in_row = p.iw * p.c, out_row = p.ow * p.c;
        const std::int64_t used = 2 * out_row;  // of an input row; an odd last column is left over
        const std::int64_t pairs = (p.ih + 1) / 2;
        parallel_for(stream, p.n * pairs, 2 * in_row, [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t i = begin; i < end; ++i) {
            const std::int64_t image = i / pairs, oh = i % pairs;
            Bits* upper = dx + (image * p.ih + oh * 2) * in_row;
            if (oh >= p.oh) {  // an odd last row
              std::fill_n(upper, in_row, Bits{0});
              continue;
            }
            const std::int64_t from = (image * p.oh + oh) * out_row;
            body(dy + from, argmax + from, {p.ow, p.c}, upper, upper + in_row);
            std::fill_n(upper + used, in_row - used, Bits{0});
            std::fill_n(upper + in_row + used, in_row - used, Bits{0});
          }
        });
      },
      0, "two by two");
}

}  // namespace

std::unique_ptr<Kernel> prepare_max_pool2d_two_by_two(const Pool2dProblem& problem,
                                                      MaxPool2dOp::Extras extras, DType dtype) {
  const bool relu = extras.activation == Activation::relu;
  const auto choose = [&](auto plain, auto with_argmax, auto with_relu, auto with_both) {
    return relu ? (extras.argmax ? with_both : with_relu) : (extras.argmax ? with_argmax : plain);
  };
  if (dtype == DType::f32) {
    return forward_kernel<float>(
        problem, extras.argmax, choose(max_f32, max_f32_argmax, max_f32_relu, max_f32_relu_argmax));
  }
  return forward_kernel<BFloat16>(
      problem, extras.argmax,
      choose(max_bf16, max_bf16_argmax, max_bf16_relu, max_bf16_relu_argmax));
}

std::unique_ptr<Kernel> prepare_max_pool2d_backward_two_by_two(const Pool2dProblem& problem,
                                                               DType dtype) {
  if (dtype == DType::f32) return backward_kernel<std::int32_t>(problem, spread_32);
  return backward_kernel<std::int16_t>(problem, spread_16);
}

}  // namespace engine::cpu
