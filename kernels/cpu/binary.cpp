#include "engine/kernels/binary.h"

#include <algorithm>
#include <array>

#include "engine/core/cpu/parallel.h"
#include "engine/core/cpu/simd.h"
#include "engine/kernels/binary_code.h"

// Bound by memory. A repeated operand is first written out as an f32 tile of up to kTile elements,
// so that a bias of 3 channels runs at the speed of one of 512.
namespace engine::cpu {
namespace {

constexpr std::int64_t kTile = 512;

template <class F, class T>
ENGINE_ALWAYS_INLINE void equal_loop(const T* a, const T* b, T* y, std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) y[i] = store<T>(F::apply(load(a[i]), load(b[i])));
}

template <class F, bool kFirst, class T>
ENGINE_ALWAYS_INLINE void tile_loop(const T* large, const float* tile, T* y, std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    const float x = load(large[i]), t = tile[i];
    y[i] = store<T>(kFirst ? F::apply(t, x) : F::apply(x, t));
  }
}

#define ENGINE_BINARY_LOOPS_OF(F, T, suffix)                                                  \
  ENGINE_CPU_CLONES void equal_##suffix##_##F(const T* a, const T* b, T* y, std::int64_t n) { \
    equal_loop<binary_code::F>(a, b, y, n);                                                   \
  }                                                                                           \
  ENGINE_CPU_CLONES void first_##suffix##_##F(const T* large, const float* tile, T* y,        \
                                              std::int64_t n) {                               \
    tile_loop<binary_code::F, true>(large, tile, y, n);                                       \
  }                                                                                           \
  ENGINE_CPU_CLONES void second_##suffix##_##F(const T* large, const float* tile, T* y,       \
                                               std::int64_t n) {                              \
    tile_loop<binary_code::F, false>(large, tile, y, n);                                      \
  }
#define ENGINE_BINARY_LOOPS(F)          \
  ENGINE_BINARY_LOOPS_OF(F, float, f32) \
  ENGINE_BINARY_LOOPS_OF(F, BFloat16, bf16)
ENGINE_BINARY_LOOPS(Add)
ENGINE_BINARY_LOOPS(Subtract)
ENGINE_BINARY_LOOPS(Multiply)
ENGINE_BINARY_LOOPS(Divide)
ENGINE_BINARY_LOOPS(Maximum)
ENGINE_BINARY_LOOPS(Minimum)
ENGINE_BINARY_LOOPS(Less)
ENGINE_BINARY_LOOPS(NotLess)
#undef ENGINE_BINARY_LOOPS
#undef ENGINE_BINARY_LOOPS_OF

template <class T>
struct Loops {
  using Type = T;
  void (*equal)(const T* a, const T* b, T* y, std::int64_t count);
  void (*tile_first)(const T* large, const float* tile, T* y, std::int64_t count);
  void (*tile_second)(const T* large, const float* tile, T* y, std::int64_t count);
};

struct Entry {
  Loops<float> f32;
  Loops<BFloat16> bf16;
};

#define ENGINE_BINARY_ENTRY(F)                        \
  {                                                   \
    {equal_f32_##F, first_f32_##F, second_f32_##F}, { \
      equal_bf16_##F, first_bf16_##F, second_bf16_##F \
    }                                                 \
  }
// In the order of BinaryMember.
const std::array<Entry, 8> kEntries = {{
    ENGINE_BINARY_ENTRY(Add),
    ENGINE_BINARY_ENTRY(Subtract),
    ENGINE_BINARY_ENTRY(Multiply),
    ENGINE_BINARY_ENTRY(Divide),
    ENGINE_BINARY_ENTRY(Maximum),
    ENGINE_BINARY_ENTRY(Minimum),
    ENGINE_BINARY_ENTRY(Less),
    ENGINE_BINARY_ENTRY(NotLess),
}};
#undef ENGINE_BINARY_ENTRY

template <class T>
void fill_tile(const T* small, std::int64_t period, float* tile, std::int64_t size) {
  for (std::int64_t begin = 0; begin < size; begin += period) {
    for (std::int64_t i = 0; i < period; ++i) tile[begin + i] = load(small[i]);
  }
}

// `rows` rows of the large operand with the same `period` elements of the small one.
template <class T, class S, class Loop>
void repeat_over(const T* large, const S* small, std::int64_t period, T* y, std::int64_t rows,
                 Loop loop) {
  float tile[kTile];
  const std::int64_t at_once = std::clamp<std::int64_t>(kTile / period, 1, rows);
  for (std::int64_t column = 0; column < period; column += kTile) {
    const std::int64_t width = std::min(kTile, period - column);
    fill_tile(small + column, width, tile, at_once * width);
    for (std::int64_t row = 0; row < rows; row += at_once) {
      const std::int64_t at = row * period + column;
      loop(large + at, tile, y + at, std::min(at_once, rows - row) * width);
    }
  }
}

template <class T>
std::unique_ptr<Kernel> equal_kernel(const Loops<T>& loops, std::int64_t count) {
  return make_kernel([=](const Stream& stream, const Buffers& buffers) {
    const T *a = buffers.in<T>(0), *b = buffers.in<T>(1);
    T* y = buffers.out<T>(0);
    parallel_for(
        stream, count, 1,
        [&](std::int64_t begin, std::int64_t end) {
          loops.equal(a + begin, b + begin, y + begin, end - begin);
        },
        64);
  });
}

template <class S, class T>
std::unique_ptr<Kernel> repeat_kernel(const Loops<T>& loops, const ReduceExtents& extents,
                                      int small_input) {
  const auto loop = small_input == 0 ? loops.tile_first : loops.tile_second;
  return make_kernel([=](const Stream& stream, const Buffers& buffers) {
    const std::int64_t repeats = extents.reduced, period = extents.inner;
    if (period == 0) return;
    const T* large = buffers.in<T>(1 - small_input);
    const S* small = buffers.in<S>(small_input);
    T* y = buffers.out<T>(0);
    parallel_for(stream, extents.outer * repeats, period,
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t row = begin; row < end;) {
                     const std::int64_t slice = row / repeats;
                     const std::int64_t rows = std::min(end, (slice + 1) * repeats) - row;
                     repeat_over(large + row * period, small + slice * period, period,
                                 y + row * period, rows, loop);
                     row += rows;
                   }
                 });
  });
}

template <class T>
std::unique_ptr<Kernel> prepare_as(const Loops<T>& loops, Repeat repeat,
                                   const PrepareContext& context) {
  if (repeat == Repeat::none) return equal_kernel(loops, context.outputs[0].shape.elements());
  const int small = repeat == Repeat::a ? 0 : 1;
  const Shape& shape = context.outputs[0].shape;
  const ReduceExtents extents =
      reduce_extents(shape, *repeated_axes(context.inputs[small].shape, shape));
  if (context.inputs[small].dtype == DType::f32) return repeat_kernel<float>(loops, extents, small);
  return repeat_kernel<T>(loops, extents, small);
}

}  // namespace

std::unique_ptr<Kernel> prepare_binary(BinaryMember member, Repeat repeat,
                                       const PrepareContext& context) {
  const Entry& entry = kEntries.at(static_cast<std::size_t>(member));
  if (context.outputs[0].dtype == DType::f32) return prepare_as(entry.f32, repeat, context);
  return prepare_as(entry.bf16, repeat, context);
}

}  // namespace engine::cpu
