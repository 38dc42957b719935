#include "engine/kernels/cpu/winograd_transforms.h"

#include <array>

#include "engine/core/cpu/parallel.h"
#include "engine/kernels/cpu/lanes.h"

// A task is a run of tiles or filters; within one, a loop over the channels, 16 at a time. Bound by
// the memory of the transformed tensor, which the caller keeps small enough for the cache.
namespace engine::cpu::winograd {
namespace {

// The points are +-a and +-b with a b = 1, a^2 = 1/2 and b^2 = 2.
constexpr float kA = 0.70710678f, kB = 1.41421356f;

// Each map takes vectors of one axis of a square, In of them, to Out.

struct PatchMap {  // B^T d
  static constexpr int kIn = 6, kOut = 6;
  ENGINE_ALWAYS_INLINE static void apply(const Lanes (&d)[6], Lanes (&v)[6]) {
    const Lanes even_a = d[4] - 2.0f * d[2], odd_a = kA * d[3] - kB * d[1];
    const Lanes even_b = d[4] - 0.5f * d[2], odd_b = kB * d[3] - kA * d[1];
    v[0] = d[0] - 2.5f * d[2] + d[4];
    v[1] = even_a + odd_a;
    v[2] = even_a - odd_a;
    v[3] = even_b + odd_b;
    v[4] = even_b - odd_b;
    v[5] = d[1] - 2.5f * d[3] + d[5];
  }
};

struct TileMap {  // A^T m
  static constexpr int kIn = 6, kOut = 4;
  ENGINE_ALWAYS_INLINE static void apply(const Lanes (&m)[6], Lanes (&y)[4]) {
    const Lanes sum_a = m[1] + m[2], difference_a = m[1] - m[2];
    const Lanes sum_b = m[3] + m[4], difference_b = m[3] - m[4];
    y[0] = m[0] + sum_a + sum_b;
    y[1] = kA * difference_a + kB * difference_b;
    y[2] = 0.5f * sum_a + 2.0f * sum_b;
    y[3] = 0.5f * kA * difference_a + 2.0f * kB * difference_b + m[5];
  }
};

struct TileGradientMap {  // A d
  static constexpr int kIn = 4, kOut = 6;
  ENGINE_ALWAYS_INLINE static void apply(const Lanes (&d)[4], Lanes (&v)[6]) {
    const Lanes even_a = d[0] + 0.5f * d[2], odd_a = kA * (d[1] + 0.5f * d[3]);
    const Lanes even_b = d[0] + 2.0f * d[2], odd_b = kB * (d[1] + 2.0f * d[3]);
    v[0] = d[0];
    v[1] = even_a + odd_a;
    v[2] = even_a - odd_a;
    v[3] = even_b + odd_b;
    v[4] = even_b - odd_b;
    v[5] = d[3];
  }
};

// What G scales its rows for +-a by, 1 / (2 a^2 (a^2 - b^2)), and for +-b, with a and b exchanged.
constexpr float kScaleA = -2.0f / 3.0f, kScaleB = 1.0f / 6.0f;

struct FilterMap {  // G g
  static constexpr int kIn = 3, kOut = 6;
  ENGINE_ALWAYS_INLINE static void apply(const Lanes (&g)[3], Lanes (&u)[6]) {
    const Lanes even_a = kScaleA * (g[0] + 0.5f * g[2]), odd_a = kScaleA * kA * g[1];
    const Lanes even_b = kScaleB * (g[0] + 2.0f * g[2]), odd_b = kScaleB * kB * g[1];
    u[0] = g[0];
    u[1] = even_a + odd_a;
    u[2] = even_a - odd_a;
    u[3] = even_b + odd_b;
    u[4] = even_b - odd_b;
    u[5] = g[2];
  }
};

struct FilterGradientMap {  // G^T u
  static constexpr int kIn = 6, kOut = 3;
  ENGINE_ALWAYS_INLINE static void apply(const Lanes (&u)[6], Lanes (&g)[3]) {
    const Lanes sum_a = kScaleA * (u[1] + u[2]), sum_b = kScaleB * (u[3] + u[4]);
    g[0] = u[0] + sum_a + sum_b;
    g[1] = kScaleA * kA * (u[1] - u[2]) + kScaleB * kB * (u[3] - u[4]);
    g[2] = 0.5f * sum_a + 2.0f * sum_b + u[5];
  }
};

#define ENGINE_INLINE_LAMBDA __attribute__((always_inline))

// A map of the columns and then of the rows of a square. load(i, lanes) gives element i of the
// square by rows, store(i, lanes) takes that of the result.
template <class Map, class Load, class Store>
ENGINE_ALWAYS_INLINE void map_square(const Load& load, const Store& store) {
  constexpr int kIn = Map::kIn, kOut = Map::kOut;
  Lanes half[kOut][kIn];
#pragma GCC unroll 6
  for (int j = 0; j < kIn; ++j) {
    Lanes column[kIn], mapped[kOut];
#pragma GCC unroll 6
    for (int i = 0; i < kIn; ++i) load(i * kIn + j, column[i]);
    Map::apply(column, mapped);
#pragma GCC unroll 6
    for (int i = 0; i < kOut; ++i) half[i][j] = mapped[i];
  }
#pragma GCC unroll 6
  for (int i = 0; i < kOut; ++i) {
    Lanes mapped[kOut];
    Map::apply(half[i], mapped);
#pragma GCC unroll 6
    for (int j = 0; j < kOut; ++j) store(i * kOut + j, mapped[j]);
  }
}

// Where the pixels of one square are; null outside the image.
template <class T>
using Pixels = std::array<T*, kPositions>;

template <class Map, class T>
ENGINE_ALWAYS_INLINE void read_square(const Pixels<const T>& pixels, std::int64_t channels,
                                      float* v, std::int64_t stride) {
  for (std::int64_t c = 0; c < channels; c += kLanes) {
    map_square<Map>([&](int i, Lanes& lanes)
                        ENGINE_INLINE_LAMBDA { load_lanes(pixels[i] + c, lanes); },
                    [&](int i, const Lanes& lanes)
                        ENGINE_INLINE_LAMBDA { store_lanes(lanes, v + i * stride + c); });
  }
}

template <bool kRelu, class T>
ENGINE_ALWAYS_INLINE void write_square(const float* m, std::int64_t stride, const float* bias,
                                       std::int64_t channels, const Pixels<T>& pixels) {
  for (std::int64_t c = 0; c < channels; c += kLanes) {
    Lanes shift;
    load_lanes(bias + c, shift);
    map_square<TileMap>([&](int i, Lanes& lanes)
                            ENGINE_INLINE_LAMBDA { load_lanes(m + i * stride + c, lanes); },
                        [&](int i, const Lanes& lanes) ENGINE_INLINE_LAMBDA {
                          if (pixels[i] == nullptr) return;
                          const Lanes sum = lanes + shift;
                          const Lanes zero = {};
                          store_lanes(kRelu ? (sum <= zero ? zero : sum) : sum, pixels[i] + c);
                        });
  }
}

ENGINE_ALWAYS_INLINE void round_lanes(Lanes& lanes) {
  BFloat16 rounded[kLanes];
  store_lanes(lanes, rounded);
  load_lanes(rounded, lanes);
}

// Filters [begin, end) of [out, 3, 3, in].
template <bool kRotated, bool kRounded, class T>
ENGINE_ALWAYS_INLINE void filters_loop(const T* w, std::int64_t in, std::int64_t begin,
                                       std::int64_t end, float* u, std::int64_t stride) {
  for (std::int64_t out = begin; out < end; ++out) {
    for (std::int64_t c = 0; c < in; c += kLanes) {
      const T* taps = w + out * 9 * in + c;
      float* to = u + out * in + c;
      map_square<FilterMap>(
          [&](int i, Lanes& lanes) ENGINE_INLINE_LAMBDA {
            load_lanes(taps + (kRotated ? 8 - i : i) * in, lanes);
            if (kRounded) round_lanes(lanes);
          },
          [&](int i, const Lanes& lanes)
              ENGINE_INLINE_LAMBDA { store_lanes(lanes, to + i * stride); });
    }
  }
}

#define ENGINE_READ_SQUARE(name, Map, T)                                                      \
  ENGINE_CPU_CLONES void name(const Pixels<const T>& pixels, std::int64_t channels, float* v, \
                              std::int64_t stride) {                                          \
    read_square<Map, T>(pixels, channels, v, stride);                                         \
  }
ENGINE_READ_SQUARE(read_patch_f32, PatchMap, float)
ENGINE_READ_SQUARE(read_patch_bf16, PatchMap, BFloat16)
ENGINE_READ_SQUARE(read_tile_f32, TileGradientMap, float)
ENGINE_READ_SQUARE(read_tile_bf16, TileGradientMap, BFloat16)
#undef ENGINE_READ_SQUARE

#define ENGINE_WRITE_SQUARE(name, relu, T)                                            \
  ENGINE_CPU_CLONES void name(const float* m, std::int64_t stride, const float* bias, \
                              std::int64_t channels, const Pixels<T>& pixels) {       \
    write_square<relu, T>(m, stride, bias, channels, pixels);                         \
  }
ENGINE_WRITE_SQUARE(write_tile_f32, false, float)
ENGINE_WRITE_SQUARE(write_tile_f32_relu, true, float)
ENGINE_WRITE_SQUARE(write_tile_bf16, false, BFloat16)
ENGINE_WRITE_SQUARE(write_tile_bf16_relu, true, BFloat16)
#undef ENGINE_WRITE_SQUARE

#define ENGINE_FILTERS(name, rotated, rounded, T)                                                \
  ENGINE_CPU_CLONES void name(const T* w, std::int64_t in, std::int64_t begin, std::int64_t end, \
                              float* u, std::int64_t stride) {                                   \
    filters_loop<rotated, rounded, T>(w, in, begin, end, u, stride);                             \
  }
ENGINE_FILTERS(filters_f32, false, false, float)
ENGINE_FILTERS(filters_f32_rounded, false, true, float)
ENGINE_FILTERS(filters_bf16, false, false, BFloat16)
ENGINE_FILTERS(rotated_filters_f32, true, false, float)
ENGINE_FILTERS(rotated_filters_f32_rounded, true, true, float)
ENGINE_FILTERS(rotated_filters_bf16, true, false, BFloat16)
#undef ENGINE_FILTERS

ENGINE_CPU_CLONES void filter_gradients(const float* du, std::int64_t stride, std::int64_t in,
                                        std::int64_t begin, std::int64_t end, float* dw) {
  for (std::int64_t out = begin; out < end; ++out) {
    for (std::int64_t c = 0; c < in; c += kLanes) {
      const float* from = du + out * in + c;
      float* taps = dw + out * 9 * in + c;
      map_square<FilterGradientMap>(
          [&](int i, Lanes& lanes) ENGINE_INLINE_LAMBDA { load_lanes(from + i * stride, lanes); },
          [&](int i, const Lanes& lanes)
              ENGINE_INLINE_LAMBDA { store_lanes(lanes, taps + i * in); });
    }
  }
}

// The pixels of square `tile`, `outside` for those beyond an image and for a tile past the last.
template <int kSide, class T>
Pixels<T> pixels_of(const Tiling& t, T* images, std::int64_t tile, T* outside) {
  Pixels<T> pixels;
  if (tile >= t.count()) {
    pixels.fill(outside);
    return pixels;
  }
  const std::int64_t row_of_tiles = tile / t.columns, image = row_of_tiles / t.rows;
  const std::int64_t top = (row_of_tiles - image * t.rows) * kTile + t.top;
  const std::int64_t left = (tile - row_of_tiles * t.columns) * kTile + t.left;
  for (int i = 0; i < kSide; ++i) {
    const bool has_row = 0 <= top + i && top + i < t.h;
    T* row = images + ((image * t.h + top + i) * t.w + left) * t.channels;
    for (int j = 0; j < kSide; ++j) {
      const bool is_inside = has_row && 0 <= left + j && left + j < t.w;
      pixels[i * kSide + j] = is_inside ? row + j * t.channels : outside;
    }
  }
  return pixels;
}

template <class T>
using ReadSquare = void (*)(const Pixels<const T>&, std::int64_t, float*, std::int64_t);

template <int kSide, class T>
void read_squares(const Stream& stream, const Tiling& t, const void* images, TileRange tiles,
                  const Positions& v, ReadSquare<T> read) {
  const T* from = static_cast<const T*>(images);
  const T* zeros = static_cast<const T*>(t.zeros);
  parallel_for(stream, tiles.end - tiles.begin, kPositions * t.channels,
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t i = begin; i < end; ++i) {
                   read(pixels_of<kSide>(t, from, tiles.begin + i, zeros), t.channels,
                        v.data + i * t.channels, v.stride);
                 }
               });
}

template <class T>
using WriteSquare = void (*)(const float*, std::int64_t, const float*, std::int64_t,
                             const Pixels<T>&);

template <class T>
void write_squares(const Stream& stream, const Tiling& t, void* images, TileRange tiles,
                   const Positions& m, const float* bias, WriteSquare<T> write) {
  T* to = static_cast<T*>(images);
  parallel_for(stream, tiles.end - tiles.begin, kPositions * t.channels,
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t i = begin; i < end; ++i) {
                   write(m.data + i * t.channels, m.stride, bias, t.channels,
                         pixels_of<kTile, T>(t, to, tiles.begin + i, nullptr));
                 }
               });
}

}  // namespace

void read_patches(const Stream& stream, const Tiling& tiling, const void* images, TileRange tiles,
                  const Positions& v) {
  if (tiling.dtype == DType::f32) {
    read_squares<kPatch, float>(stream, tiling, images, tiles, v, read_patch_f32);
  } else {
    read_squares<kPatch, BFloat16>(stream, tiling, images, tiles, v, read_patch_bf16);
  }
}

void read_tiles(const Stream& stream, const Tiling& tiling, const void* images, TileRange tiles,
                const Positions& v) {
  if (tiling.dtype == DType::f32) {
    read_squares<kTile, float>(stream, tiling, images, tiles, v, read_tile_f32);
  } else {
    read_squares<kTile, BFloat16>(stream, tiling, images, tiles, v, read_tile_bf16);
  }
}

void write_tiles(const Stream& stream, const Tiling& tiling, TileRange tiles, const Positions& m,
                 const float* bias, Activation activation, void* images) {
  const bool relu = activation == Activation::relu;
  if (bias == nullptr) bias = static_cast<const float*>(tiling.zeros);
  if (tiling.dtype == DType::f32) {
    write_squares<float>(stream, tiling, images, tiles, m, bias,
                         relu ? write_tile_f32_relu : write_tile_f32);
  } else {
    write_squares<BFloat16>(stream, tiling, images, tiles, m, bias,
                            relu ? write_tile_bf16_relu : write_tile_bf16);
  }
}

void read_filters(const Stream& stream, const Filters& filters, const void* w, const Positions& u) {
  const bool rotated = filters.rotated;
  const auto in_parallel = [&](const auto* taps, const auto& body) {
    parallel_for(stream, filters.out, kPositions * filters.in,
                 [&](std::int64_t begin, std::int64_t end) {
                   body(taps, filters.in, begin, end, u.data, u.stride);
                 });
  };
  if (filters.dtype == DType::bf16) {
    in_parallel(static_cast<const BFloat16*>(w), rotated ? rotated_filters_bf16 : filters_bf16);
  } else if (filters.rounded) {
    in_parallel(static_cast<const float*>(w),
                rotated ? rotated_filters_f32_rounded : filters_f32_rounded);
  } else {
    in_parallel(static_cast<const float*>(w), rotated ? rotated_filters_f32 : filters_f32);
  }
}

void write_filter_gradients(const Stream& stream, const Positions& du, std::int64_t out,
                            std::int64_t in, float* dw) {
  parallel_for(stream, out, kPositions * in, [&](std::int64_t begin, std::int64_t end) {
    filter_gradients(du.data, du.stride, in, begin, end, dw);
  });
}

}  // namespace engine::cpu::winograd
