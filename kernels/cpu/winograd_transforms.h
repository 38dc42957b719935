#pragma once

#include <cstdint>

#include "engine/core/dtype.h"
#include "engine/core/stream.h"
#include "engine/kernels/activation.h"

// The linear maps of Winograd's minimal filtering F(4x4, 3x3): a 4x4 tile of a 3x3 convolution with
// 36 products a pair of channels instead of 144 (Lavin and Gray 2016,
// https://arxiv.org/abs/1509.09308).
//   tile = A^T [ (G g G^T) * (B^T d B) ] A    for a 6x6 patch d and a 3x3 filter g
// The interpolation points are 0, +-1/sqrt(2), +-sqrt(2) and infinity: with random data their
// largest error is a quarter of that of the usual 0, +-1, +-2.
//
// Channels are innermost everywhere and multiples of 16.
namespace engine::cpu::winograd {

inline constexpr std::int64_t kTile = 4, kPatch = 6, kPositions = kPatch * kPatch;

// A transformed tensor: a matrix for each position in the patch, `stride` floats behind the one
// before.
struct Positions {
  float* data = nullptr;
  std::int64_t stride = 0;
};

// How squares that lie four pixels apart cover images [n, h, w, channels] of f32 or bf16.
struct Tiling {
  DType dtype = DType::f32;
  std::int64_t n = 0, h = 0, w = 0, channels = 0;
  std::int64_t rows = 0, columns = 0;  // of squares in an image
  std::int64_t top = 0, left = 0;      // the first square's corner, 0 or negative
  const void* zeros = nullptr;         // `channels` floats

  std::int64_t count() const { return n * rows * columns; }
};

// Tiles [begin, end) of all images. What lies outside an image or past the last tile is read as 0
// and not written.
struct TileRange {
  std::int64_t begin = 0, end = 0;
};

// v [36][tiles, channels] = B^T d B of the 6x6 patches.
void read_patches(const Stream& stream, const Tiling& tiling, const void* images, TileRange tiles,
                  const Positions& v);
// v [36][tiles, channels] = A d A^T of the 4x4 tiles: the gradient of write_tiles.
void read_tiles(const Stream& stream, const Tiling& tiling, const void* images, TileRange tiles,
                const Positions& v);
// images = activation(A^T m A + bias), m [36][tiles, channels]; `bias` may be null.
void write_tiles(const Stream& stream, const Tiling& tiling, TileRange tiles, const Positions& m,
                 const float* bias, Activation activation, void* images);

struct Filters {
  DType dtype = DType::f32;  // or bf16
  std::int64_t out = 0, in = 0;
  bool rotated = false;  // by half a turn
  bool rounded = false;  // f32 is rounded to bf16
};

// u [36][out, in] = G g G^T of w [out, 3, 3, in].
void read_filters(const Stream& stream, const Filters& filters, const void* w, const Positions& u);
// dw [out, 3, 3, in] = G^T du G, du [36][out, in]: the gradient of read_filters.
void write_filter_gradients(const Stream& stream, const Positions& du, std::int64_t out,
                            std::int64_t in, float* dw);

}  // namespace engine::cpu::winograd
