#include "engine/apps/data/scene_canvas.h"

#include <algorithm>

namespace engine::apps::scene {

void Canvas::fill(const Box& box, const Surface& surface) {
  each(box, [&surface](Surface& texel, float, float) { texel = surface; });
}

void Canvas::fill_polygon(std::span<const Point> corners, const Surface& surface) {
  float top = 1, bottom = 0;
  for (const Point& p : corners) {
    top = std::min(top, p.v);
    bottom = std::max(bottom, p.v);
  }
  const int last = limit(bottom, height_);
  for (int y = limit(top, height_); y < last; ++y) {
    const float v = (y + 0.5f) / height_;
    float left = 2, right = -1;  // convex: one span per row
    for (std::size_t i = 0; i < corners.size(); ++i) {
      const Point& a = corners[i];
      const Point& b = corners[(i + 1) % corners.size()];
      if ((a.v <= v) == (b.v <= v)) continue;
      const float u = a.u + (b.u - a.u) * (v - a.v) / (b.v - a.v);
      left = std::min(left, u);
      right = std::max(right, u);
    }
    for (int x = limit(left, width_); x < limit(right, width_); ++x) at(y, x) = surface;
  }
}

void Canvas::fill_ellipse(Point center, float radius_u, float radius_v, const Surface& surface) {
  const Box box{center.u - radius_u, center.v - radius_v, center.u + radius_u, center.v + radius_v};
  each(box, [&](Surface& texel, float u, float v) {
    const float x = (u - center.u) / radius_u, y = (v - center.v) / radius_v;
    if (x * x + y * y < 1) texel = surface;
  });
}

void Canvas::fill_below(std::span<const float> ridge, const Surface& surface) {
  for (int x = 0; x < width_; ++x) {
    const float place = (x + 0.5f) / width_ * (ridge.size() - 1);
    const auto i = std::min(static_cast<std::size_t>(place), ridge.size() - 2);
    const float t = place - i;
    for (int y = limit(ridge[i] * (1 - t) + ridge[i + 1] * t, height_); y < height_; ++y) {
      at(y, x) = surface;
    }
  }
}

Noise::Noise(RandomNumbers& random) {
  for (float& value : lattice_) value = random.uniform();
}

float Noise::at(float x, float y) const {
  const int ix = static_cast<int>(x), iy = static_cast<int>(y);
  float tx = x - ix, ty = y - iy;
  tx = tx * tx * (3 - 2 * tx);
  ty = ty * ty * (3 - 2 * ty);
  const int x0 = ix & (kSide - 1), x1 = (x0 + 1) & (kSide - 1);
  const int y0 = iy & (kSide - 1), y1 = (y0 + 1) & (kSide - 1);
  const float top = lattice_[y0 * kSide + x0] * (1 - tx) + lattice_[y0 * kSide + x1] * tx;
  const float bottom = lattice_[y1 * kSide + x0] * (1 - tx) + lattice_[y1 * kSide + x1] * tx;
  return top * (1 - ty) + bottom * ty;
}

float Noise::fractal(float x, float y, int octaves) const {
  float sum = 0, weight = 0.5f, total = 0;
  for (int o = 0; o < octaves; ++o) {
    sum += weight * at(x, y);
    total += weight;
    weight *= 0.5f;
    x = 2 * x + 7.3f;
    y = 2 * y + 3.1f;
  }
  return sum / total;
}

std::vector<float> ridge_line(const Noise& noise, RandomNumbers& random, float level,
                              float roughness, float frequency, int places) {
  std::vector<float> ridge(places);
  const float start = random.uniform(0, 32), row = random.uniform(0, 32);
  for (int i = 0; i < places; ++i) {
    const float x = start + frequency * static_cast<float>(i) / (places - 1);
    ridge[i] = level - roughness * (2 * noise.fractal(x, row, 4) - 1);
  }
  return ridge;
}

}  // namespace engine::apps::scene
