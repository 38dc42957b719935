#pragma once

#include <cstdint>

#include "engine/core/dtype.h"
#include "engine/kernels/activation.h"
#include "engine/kernels/cpu/panel_product.h"

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

// A transformed tensor: a matrix for each position in the patch. How many floats apart positions,
// rows and panels of 32 columns are; the columns of a panel lie together.
struct Positions {
  float* data = nullptr;
  std::int64_t stride = 0, row = 0, panel = kPanel;
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

// From begin up to end.
struct Range {
  std::int64_t begin = 0, end = 0;

  std::int64_t count() const { return end - begin; }
};

// All of these run in the calling thread. Tiles are counted over all images; what lies outside an
// image or past the last tile is read as 0 and not written.

// v [36][tiles, channels] = B^T d B of the 6x6 patches.
void read_patches(const Tiling& tiling, const void* images, Range tiles, const Positions& v);
// v [36][tiles, channels] = A d A^T of the 4x4 tiles: the gradient of write_tiles.
void read_tiles(const Tiling& tiling, const void* images, Range tiles, const Positions& v);
// images = activation(A^T m A + bias) in some of the channels, m [36][tiles, channels] of those;
// `bias` may be null.
void write_tiles(const Tiling& tiling, Range tiles, Range channels, const Positions& m,
                 const float* bias, Activation activation, void* images);

// The filters w [out, 3, 3, in] of a convolution, or of its gradient with respect to x, which maps
// `out` to `in` channels.
struct Filters {
  DType dtype = DType::f32;  // or bf16
  std::int64_t out = 0, in = 0;
  bool backward = false;
  bool rounded = false;  // f32 is rounded to bf16

  std::int64_t from() const { return backward ? out : in; }
  std::int64_t to() const { return backward ? in : out; }

  std::int64_t transformed_floats() const { return kPositions * from() * panels_of(to()) * kPanel; }
};

// Some panels of u [36][from, to] = G g G^T, `to` filled up with 0 to whole panels.
void read_filters(const Filters& filters, const void* w, Range panels, const Positions& u);
// Some rows of dw [out, 3, 3, in] = G^T du G, du [36][out, in]: the gradient of reading filters.
void write_filter_gradients(const Positions& du, Range out, std::int64_t in, float* dw);

}  // namespace engine::cpu::winograd
