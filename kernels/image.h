#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "engine/core/graph.h"

namespace engine {

struct Normalization {
  std::vector<float> mean;                // one or one per channel, of values scaled to 0..1
  std::vector<float> standard_deviation;  // likewise, positive
};

// y = (x / 255 - mean) / standard_deviation.
// Shapes: x u8 [n, h, w, c] -> [n, h, w, c] of `dtype`, f32 or bf16. Computed as x * scale + shift
// in f32. Gradients: none. On CUDA at most 256 channels may have numbers of their own.
Value normalize_images(const Value& images, const Normalization& normalization,
                       DType dtype = DType::f32);

// What a normalize_images node subtracts and divides by; null for another op.
const Normalization* normalization_of(const Op& op);

struct RandomImageOptions {
  int shift = 0;               // pixels, uniform in -shift..shift for each axis, zeros come in
  bool flip = false;           // left-right, with probability one half
  float rotation_degrees = 0;  // uniform in +-; positive turns counter-clockwise
  float scale = 0;             // uniform in 1 +- scale, below 1
  float shear = 0;             // uniform in +-, horizontal: pixels to the right per pixel down
  float elastic = 0;           // pixels: amplitude of a smooth random displacement field
};

// Random geometry for training: each image of each step is flipped, sheared, scaled, rotated (about
// its centre), bent and shifted, in this order, on its own, by a function of the clock and `name`.
// Shift and flip alone copy pixels exactly; the rest samples bilinearly in f32 and rounds to the
// nearest integer. Zeros come in from outside.
// The displacement field of `elastic` is a uniform cubic B-spline over a grid of random vectors in
// +-elastic, kElasticCells cells along each axis (after Simard et al. 2003, "Best practices for
// convolutional neural networks", with a spline in place of a Gaussian).
// Shapes: u8 [n, h, w, c], the same out. Gradients: none.
Value random_geometry(const Value& images, std::string_view name,
                      const RandomImageOptions& options);

inline constexpr int kElasticCells = 4;
inline constexpr int kElasticPoints = kElasticCells + 3;  // control points along each axis

// The numbers behind random_geometry, for one image. They are
//   words 0 and 1 of block 2i of draw 0: shift in y, then x, as (word (2 shift + 1) >> 32) - shift;
//   word 2: flip when odd; word 3 and words 0, 1 of block 2i + 1: rotation, scale and shear, as
//   2 uniform_from_bits(word) - 1 times the option;
//   draw 1, element 128 i + 2 p + (0: y, 1: x): the vector of control point p, row-major.
struct ImageGeometry {
  int shift_y = 0, shift_x = 0;  // the picture moves down and right
  bool flip = false;
  float rotation_degrees = 0;
  float scale = 1;
  float shear = 0;
  bool bends = false;
  std::array<float, 2 * kElasticPoints * kElasticPoints> elastic{};  // pixels
};

}  // namespace engine
