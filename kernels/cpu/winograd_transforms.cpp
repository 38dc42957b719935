#include "engine/kernels/cpu/winograd_transforms.h"

#include <algorithm>
#include <array>

#include "engine/kernels/cpu/lanes.h"

// For each square a loop over the channels, 16 at a time. Bound by the memory of the transformed
// tensor, which the caller keeps small enough for the cache.
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

// Where a row of position 0 has channel c, a multiple of 16.
ENGINE_ALWAYS_INLINE float* at_channel(const Positions& v, std::int64_t row, std::int64_t c) {
  return v.data + row * v.row + c / kPanel * v.panel + c % kPanel;
}

template <class Map, class T>
ENGINE_ALWAYS_INLINE void read_square(const Pixels<const T>& pixels, std::int64_t channels,
                                      const Positions& v, std::int64_t row) {
  for (std::int64_t c = 0; c < channels; c += kLanes) {
    float* to = at_channel(v, row, c);
    map_square<Map>([&](int i, Lanes& lanes)
                        ENGINE_INLINE_LAMBDA { load_lanes(pixels[i] + c, lanes); },
                    [&](int i, const Lanes& lanes)
                        ENGINE_INLINE_LAMBDA { store_lanes(lanes, to + i * v.stride); });
  }
}

template <bool kRelu, class T>
ENGINE_ALWAYS_INLINE void write_square(const Positions& m, std::int64_t row, const float* bias,
                                       std::int64_t channels, const Pixels<T>& pixels) {
  for (std::int64_t c = 0; c < channels; c += kLanes) {
    const float* from = at_channel(m, row, c);
    Lanes shift;
    load_lanes(bias + c, shift);
    map_square<TileMap>([&](int i, Lanes& lanes)
                            ENGINE_INLINE_LAMBDA { load_lanes(from + i * m.stride, lanes); },
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

// Sixteen filters of a tap, for each of sixteen channels they read: element [from][to].
template <class T>
using TapBlock = T[kLanes][kLanes];

constexpr std::int64_t kPrefetch = 4 * kLanes;  // channels ahead

// The taps of 16 x 16 filters at w, `out` and `in` innermost in turn.
template <class T>
ENGINE_ALWAYS_INLINE void transpose_taps(const T* w, std::int64_t in, TapBlock<T> (&taps)[9]) {
  for (int to = 0; to < kLanes; ++to) {
    for (int tap = 0; tap < 9; ++tap) {
      __builtin_prefetch(w + (to * 9 + tap) * in + kPrefetch);
      for (int from = 0; from < kLanes; ++from) taps[tap][from][to] = w[(to * 9 + tap) * in + from];
    }
  }
}

// Columns [to, to + 16) of u [36][from, to].
template <bool kBackward, bool kRounded, class T>
ENGINE_ALWAYS_INLINE void read_columns(const Filters& filters, const T* w, std::int64_t to,
                                       const Positions& u) {
  for (std::int64_t first = 0; first < filters.from(); first += kLanes) {
    TapBlock<T> block[9];
    if (!kBackward) transpose_taps(w + to * 9 * filters.in + first, filters.in, block);
    for (std::int64_t i = 0; i < kLanes; ++i) {
      const T* taps = kBackward ? w + (first + i) * 9 * filters.in + to : &block[0][i][0];
      const std::int64_t tap_stride = kBackward ? filters.in : kLanes * kLanes;
      float* row = at_channel(u, first + i, to);
      map_square<FilterMap>(
          [&](int tap, Lanes& lanes) ENGINE_INLINE_LAMBDA {
            load_lanes(taps + (kBackward ? 8 - tap : tap) * tap_stride, lanes);
            if (kRounded) round_lanes(lanes);
          },
          [&](int position, const Lanes& lanes)
              ENGINE_INLINE_LAMBDA { store_lanes(lanes, row + position * u.stride); });
    }
  }
}

#define ENGINE_READ_SQUARE(name, Map, T)                                            \
  ENGINE_CPU_CLONES void name(const Pixels<const T>& pixels, std::int64_t channels, \
                              const Positions& v, std::int64_t row) {               \
    read_square<Map, T>(pixels, channels, v, row);                                  \
  }
ENGINE_READ_SQUARE(read_patch_f32, PatchMap, float)
ENGINE_READ_SQUARE(read_patch_bf16, PatchMap, BFloat16)
ENGINE_READ_SQUARE(read_tile_f32, TileGradientMap, float)
ENGINE_READ_SQUARE(read_tile_bf16, TileGradientMap, BFloat16)
#undef ENGINE_READ_SQUARE

#define ENGINE_WRITE_SQUARE(name, relu, T)                                             \
  ENGINE_CPU_CLONES void name(const Positions& m, std::int64_t row, const float* bias, \
                              std::int64_t channels, const Pixels<T>& pixels) {        \
    write_square<relu, T>(m, row, bias, channels, pixels);                             \
  }
ENGINE_WRITE_SQUARE(write_tile_f32, false, float)
ENGINE_WRITE_SQUARE(write_tile_f32_relu, true, float)
ENGINE_WRITE_SQUARE(write_tile_bf16, false, BFloat16)
ENGINE_WRITE_SQUARE(write_tile_bf16_relu, true, BFloat16)
#undef ENGINE_WRITE_SQUARE

#define ENGINE_READ_COLUMNS(name, backward, rounded, T)                            \
  ENGINE_CPU_CLONES void name(const Filters& filters, const T* w, std::int64_t to, \
                              const Positions& u) {                                \
    read_columns<backward, rounded, T>(filters, w, to, u);                         \
  }
ENGINE_READ_COLUMNS(read_filters_f32, false, false, float)
ENGINE_READ_COLUMNS(read_filters_f32_rounded, false, true, float)
ENGINE_READ_COLUMNS(read_filters_bf16, false, false, BFloat16)
ENGINE_READ_COLUMNS(read_backward_f32, true, false, float)
ENGINE_READ_COLUMNS(read_backward_f32_rounded, true, true, float)
ENGINE_READ_COLUMNS(read_backward_bf16, true, false, BFloat16)
#undef ENGINE_READ_COLUMNS

ENGINE_CPU_CLONES void filter_gradients(const Positions& du, Range out, std::int64_t in,
                                        float* dw) {
  for (std::int64_t row = out.begin; row < out.end; ++row) {
    for (std::int64_t c = 0; c < in; c += kLanes) {
      const float* from = at_channel(du, row, c);
      float* taps = dw + row * 9 * in + c;
      map_square<FilterGradientMap>(
          [&](int i, Lanes& lanes)
              ENGINE_INLINE_LAMBDA { load_lanes(from + i * du.stride, lanes); },
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
using ReadSquare = void (*)(const Pixels<const T>&, std::int64_t, const Positions&, std::int64_t);

template <int kSide, class T>
void read_squares(const Tiling& t, const void* images, Range tiles, const Positions& v,
                  ReadSquare<T> read) {
  const T* from = static_cast<const T*>(images);
  const T* zeros = static_cast<const T*>(t.zeros);
  for (std::int64_t i = 0; i < tiles.count(); ++i) {
    read(pixels_of<kSide>(t, from, tiles.begin + i, zeros), t.channels, v, i);
  }
}

template <class T>
using WriteSquare = void (*)(const Positions&, std::int64_t, const float*, std::int64_t,
                             const Pixels<T>&);

template <class T>
void write_squares(const Tiling& t, Range tiles, Range channels, const Positions& m,
                   const float* bias, WriteSquare<T> write, void* images) {
  T* to = static_cast<T*>(images) + channels.begin;
  for (std::int64_t i = 0; i < tiles.count(); ++i) {
    write(m, i, bias, channels.count(), pixels_of<kTile, T>(t, to, tiles.begin + i, nullptr));
  }
}

template <class T>
void read_panels(const Filters& filters, const T* w, Range panels, const Positions& u,
                 void (*read)(const Filters&, const T*, std::int64_t, const Positions&)) {
  const std::int64_t end = panels.end * kPanel;
  for (std::int64_t to = panels.begin * kPanel; to < std::min(end, filters.to()); to += kLanes) {
    read(filters, w, to, u);
  }
  if (end <= filters.to()) return;
  for (std::int64_t position = 0; position < kPositions; ++position) {
    for (std::int64_t row = 0; row < filters.from(); ++row) {
      std::fill_n(at_channel(u, row, filters.to()) + position * u.stride, kLanes, 0.0f);
    }
  }
}

}  // namespace

void read_patches(const Tiling& tiling, const void* images, Range tiles, const Positions& v) {
  if (tiling.dtype == DType::f32) {
    read_squares<kPatch, float>(tiling, images, tiles, v, read_patch_f32);
  } else {
    read_squares<kPatch, BFloat16>(tiling, images, tiles, v, read_patch_bf16);
  }
}

void read_tiles(const Tiling& tiling, const void* images, Range tiles, const Positions& v) {
  if (tiling.dtype == DType::f32) {
    read_squares<kTile, float>(tiling, images, tiles, v, read_tile_f32);
  } else {
    read_squares<kTile, BFloat16>(tiling, images, tiles, v, read_tile_bf16);
  }
}

void write_tiles(const Tiling& tiling, Range tiles, Range channels, const Positions& m,
                 const float* bias, Activation activation, void* images) {
  const bool relu = activation == Activation::relu;
  bias = bias == nullptr ? static_cast<const float*>(tiling.zeros) : bias + channels.begin;
  if (tiling.dtype == DType::f32) {
    write_squares<float>(tiling, tiles, channels, m, bias,
                         relu ? write_tile_f32_relu : write_tile_f32, images);
  } else {
    write_squares<BFloat16>(tiling, tiles, channels, m, bias,
                            relu ? write_tile_bf16_relu : write_tile_bf16, images);
  }
}

void read_filters(const Filters& filters, const void* w, Range panels, const Positions& u) {
  const bool backward = filters.backward;
  if (filters.dtype == DType::bf16) {
    read_panels(filters, static_cast<const BFloat16*>(w), panels, u,
                backward ? read_backward_bf16 : read_filters_bf16);
  } else if (filters.rounded) {
    read_panels(filters, static_cast<const float*>(w), panels, u,
                backward ? read_backward_f32_rounded : read_filters_f32_rounded);
  } else {
    read_panels(filters, static_cast<const float*>(w), panels, u,
                backward ? read_backward_f32 : read_filters_f32);
  }
}

void write_filter_gradients(const Positions& du, Range out, std::int64_t in, float* dw) {
  filter_gradients(du, out, in, dw);
}

}  // namespace engine::cpu::winograd
