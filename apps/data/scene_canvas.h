#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/apps/data/random_numbers.h"

// Drawing for the built-in scenes: surfaces are painted with what they are made of, and lit later.
// Places are in units of the picture: u from 0 (left) to 1, v from 0 (top) to 1. Light is linear;
// 1 is about a white wall under an open midday sky.
namespace engine::apps::scene {

struct Rgb {
  float r = 0, g = 0, b = 0;

  friend Rgb operator+(Rgb x, Rgb y) { return {x.r + y.r, x.g + y.g, x.b + y.b}; }
  friend Rgb operator*(Rgb x, Rgb y) { return {x.r * y.r, x.g * y.g, x.b * y.b}; }
  friend Rgb operator*(Rgb x, float s) { return {x.r * s, x.g * s, x.b * s}; }
  Rgb& operator+=(Rgb y) { return *this = *this + y; }
  float luminance() const { return 0.2126f * r + 0.7152f * g + 0.0722f * b; }
};
inline Rgb mix(Rgb x, Rgb y, float t) {
  return x * (1 - t) + y * t;
}
inline Rgb grey(float value) {
  return {value, value, value};
}

struct Surface {
  Rgb albedo;
  Rgb emission;
  float sun = 1;    // share of direct sunlight that arrives
  float lamp = 1;   // share of lamp light that arrives
  float depth = 1;  // distance in units of "the middle of the street", for fog; the sky is far
};

struct Point {
  float u = 0, v = 0;
};
struct Box {
  float left = 0, top = 0, right = 1, bottom = 1;
};

class Canvas {
 public:
  // Two samples along either side of each pixel, for smooth edges.
  Canvas(int width, int height) : width_(2 * width), height_(2 * height) {
    texels_.resize(static_cast<std::size_t>(width_) * height_);
  }

  int width() const { return width_; }
  int height() const { return height_; }
  Surface& at(int y, int x) { return texels_[static_cast<std::size_t>(y) * width_ + x]; }
  const Surface& at(int y, int x) const {
    return texels_[static_cast<std::size_t>(y) * width_ + x];
  }

  void fill(const Box& box, const Surface& surface);
  void fill_polygon(std::span<const Point> corners, const Surface& surface);
  void fill_ellipse(Point center, float radius_u, float radius_v, const Surface& surface);
  // Below the line that `ridge` gives at each of its evenly spaced places.
  void fill_below(std::span<const float> ridge, const Surface& surface);

  // f(surface, u, v) for every sample in the box.
  template <class F>
  void each(const Box& box, F f) {
    const int x1 = limit(box.right, width_), y1 = limit(box.bottom, height_);
    for (int y = limit(box.top, height_); y < y1; ++y) {
      for (int x = limit(box.left, width_); x < x1; ++x) {
        f(at(y, x), (x + 0.5f) / width_, (y + 0.5f) / height_);
      }
    }
  }
  // Sets every sample in the box to f(u, v), evaluated once a pixel: for what varies slowly.
  template <class F>
  void shade(const Box& box, F f) {
    const int x0 = limit(box.left, width_), x1 = limit(box.right, width_);
    const int y0 = limit(box.top, height_), y1 = limit(box.bottom, height_);
    for (int y = y0 & ~1; y < y1; y += 2) {
      for (int x = x0 & ~1; x < x1; x += 2) {
        const Surface surface = f((x + 1.0f) / width_, (y + 1.0f) / height_);
        for (int s = 0; s < 4; ++s) {
          const int sx = x + s % 2, sy = y + s / 2;
          if (sx >= x0 && sx < x1 && sy >= y0 && sy < y1) at(sy, sx) = surface;
        }
      }
    }
  }

 private:
  // The first sample whose middle is at or after `place`.
  static int limit(float place, int samples) {
    const float x = place * samples + 0.5f;
    return x <= 0 ? 0 : x >= samples ? samples : static_cast<int>(x);
  }

  int width_, height_;
  std::vector<Surface> texels_;
};

// Smooth noise in [0, 1] over x, y >= 0: octaves of a random lattice, repeated at its size.
class Noise {
 public:
  explicit Noise(RandomNumbers& random);
  float at(float x, float y) const;                    // one octave, features of size 1
  float fractal(float x, float y, int octaves) const;  // halving sizes and weights

 private:
  static constexpr int kSide = 32;
  float lattice_[kSide * kSide];
};

// A ridge line around `level` with features of `roughness` height: `places` values.
std::vector<float> ridge_line(const Noise& noise, RandomNumbers& random, float level,
                              float roughness, float frequency, int places);

}  // namespace engine::apps::scene
