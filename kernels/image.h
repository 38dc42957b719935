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
// Shapes: x u8 [n, h, w, c] -> f32 [n, h, w, c]. Gradients: none.
Value normalize_images(const Value& images, const Normalization& normalization);

struct RandomImageOptions {
  int shift = 0;               // pixels, uniform in -shift..shift for each axis, zeros come in
  bool flip = false;           // left-right, with probability one half
  float rotation_degrees = 0;  // uniform in +-
  float scale = 0;             // uniform in 1 +- scale
  float shear = 0;             // uniform in +-, horizontal
  float elastic = 0;           // pixels: amplitude of a smooth random displacement field
};

// Random geometry for training: each image of each step is shifted, flipped, rotated, scaled and
// bent on its own, by a function of the clock and `name`. Shift and flip alone copy pixels exactly;
// the rest samples bilinearly. Shapes: u8 [n, h, w, c], the same out. Gradients: none.
Value random_geometry(const Value& images, std::string_view name,
                      const RandomImageOptions& options);

}  // namespace engine
