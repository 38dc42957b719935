#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>
#include <vector>

#include "tests/reference/random.h"

namespace engine::reference {

struct GeometrySettings {
  int shift = 0;
  bool flip = false;
  double rotation_degrees = 0, scale = 0, shear = 0, elastic = 0;
};

// random_geometry in double: for every pixel of the result, the steps are undone one by one.
class Geometry {
 public:
  Geometry(const GeometrySettings& settings, const RandomWords& words, std::int64_t image)
      : elastic_(settings.elastic), words_(words), image_(image) {
    const auto word = [&](int i) { return words(8 * image + i); };
    const auto within = [&](int i, double limit) { return (2 * uniform(word(i)) - 1) * limit; };
    const auto pixels = [&](int i) {
      return static_cast<int>(word(i) / 4294967296.0 * (2 * settings.shift + 1)) - settings.shift;
    };
    shift_y = pixels(0);
    shift_x = pixels(1);
    flip = settings.flip && word(2) % 2 == 1;
    degrees = within(3, settings.rotation_degrees);
    scale = 1 + within(4, settings.scale);
    shear = within(5, settings.shear);
  }

  int shift_y, shift_x;
  bool flip;
  double degrees, scale, shear;

  // Where pixel (y, x) of an h x w result comes from.
  std::pair<double, double> source(double y, double x, double h, double w) const {
    const auto [bend_y, bend_x] = displacement((y + 0.5) / h, (x + 0.5) / w);
    y += bend_y - shift_y - (h - 1) / 2;
    x += bend_x - shift_x - (w - 1) / 2;
    // A counter-clockwise turn with y downwards takes (y, x) to (c y - s x, s y + c x).
    const double angle = degrees * std::numbers::pi / 180;
    const double c = std::cos(angle), s = std::sin(angle);
    double source_y = (c * y + s * x) / scale, source_x = (c * x - s * y) / scale;
    source_x -= shear * source_y;
    if (flip) source_x = -source_x;
    return {source_y + (h - 1) / 2, source_x + (w - 1) / 2};
  }

 private:
  // A uniform cubic B-spline over 7 x 7 control points; u and v go from 0 to 1.
  std::pair<double, double> displacement(double u, double v) const {
    if (elastic_ == 0) return {0, 0};
    RandomWords words = words_;
    words.draw = 1;
    double y = 0, x = 0;
    for (int i = 0; i < 7; ++i) {
      for (int j = 0; j < 7; ++j) {
        const double weight = basis(4 * u - (i - 1)) * basis(4 * v - (j - 1));
        const std::int64_t element = 128 * image_ + 2 * (7 * i + j);
        y += weight * (2 * uniform(words(element)) - 1);
        x += weight * (2 * uniform(words(element + 1)) - 1);
      }
    }
    return {elastic_ * y, elastic_ * x};
  }

  static double basis(double t) {
    t = std::fabs(t);
    if (t < 1) return 2.0 / 3 - t * t + t * t * t / 2;
    return t < 2 ? std::pow(2 - t, 3) / 6 : 0;
  }

  double elastic_;
  RandomWords words_;
  std::int64_t image_;
};

// Bilinear, zeros outside; `image` is h x w x c.
inline double sample(const std::uint8_t* image, std::int64_t h, std::int64_t w, std::int64_t c,
                     std::int64_t channel, double y, double x) {
  double sum = 0;
  for (std::int64_t row = 0; row < h; ++row) {
    const double wy = 1 - std::fabs(y - static_cast<double>(row));
    if (wy <= 0) continue;
    for (std::int64_t column = 0; column < w; ++column) {
      const double wx = 1 - std::fabs(x - static_cast<double>(column));
      if (wx > 0) sum += wy * wx * image[(row * w + column) * c + channel];
    }
  }
  return sum;
}

}  // namespace engine::reference
