// Procedural paintings: strokes that follow a field of directions, coloured from a palette, over
// one another until nothing of the ground shows. A pattern is its field, its palette and its brush.
#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <vector>

#include "engine/apps/data/random_numbers.h"
#include "engine/apps/run/exit_codes.h"
#include "engine/apps/style_transfer/pictures.h"

namespace engine::apps::style_transfer {
namespace {

using Color = std::array<float, 3>;

struct Pattern {
  const char* name;
  std::vector<Color> palette;  // from where the tone is low to where it is high
  float length, width;         // of a stroke, as shares of the picture
  float swirl;                 // how much of the field turns around the centres
  float wander;                // how much smooth noise bends it
  float base_angle;            // radians, of the field without both
  float tone_scale;            // patches of tone across the picture
};

const std::vector<Pattern>& patterns() {
  static const std::vector<Pattern> list = {
      {"waves",
       {{14, 26, 74},
        {28, 62, 140},
        {58, 110, 180},
        {140, 180, 200},
        {240, 214, 120},
        {250, 238, 180}},
       0.10f,
       0.011f,
       1.0f,
       0.5f,
       0.0f,
       3.0f},
      {"embers",
       {{40, 14, 20}, {120, 24, 24}, {196, 62, 24}, {236, 130, 38}, {250, 196, 84}, {44, 70, 96}},
       0.16f,
       0.014f,
       0.25f,
       0.9f,
       0.15f,
       2.5f},
      {"meadow",
       {{24, 52, 32},
        {52, 98, 44},
        {112, 146, 54},
        {196, 190, 88},
        {226, 120, 130},
        {240, 232, 206}},
       0.035f,
       0.012f,
       0.0f,
       0.6f,
       1.45f,
       6.0f},
      {"dots",
       {{32, 44, 104},
        {40, 120, 150},
        {96, 168, 90},
        {232, 200, 64},
        {228, 110, 60},
        {244, 236, 214}},
       0.0f,
       0.010f,
       0.0f,
       1.0f,
       0.0f,
       4.0f},
      {"ink",
       {{20, 18, 22},
        {46, 44, 52},
        {110, 106, 104},
        {200, 192, 178},
        {236, 228, 210},
        {244, 240, 228}},
       0.12f,
       0.006f,
       0.6f,
       0.8f,
       0.7f,
       4.0f}};
  return list;
}

// Smooth noise in [-1, 1]: random numbers on a grid of cells of width 1, with a smooth blend.
class Noise {
 public:
  explicit Noise(std::uint64_t stream) {
    RandomNumbers random(7, stream);
    for (float& value : values_) value = random.uniform(-1, 1);
  }
  float at(float x, float y) const {
    const float fx = std::floor(x), fy = std::floor(y);
    const float u = smooth(x - fx), v = smooth(y - fy);
    const int i = static_cast<int>(fx), j = static_cast<int>(fy);
    const float top = value(i, j) + u * (value(i + 1, j) - value(i, j));
    const float bottom = value(i, j + 1) + u * (value(i + 1, j + 1) - value(i, j + 1));
    return top + v * (bottom - top);
  }

 private:
  static float smooth(float t) { return t * t * (3 - 2 * t); }
  float value(int i, int j) const { return values_[((j & 63) << 6) | (i & 63)]; }
  std::array<float, 64 * 64> values_{};
};

class Painter {
 public:
  Painter(const Pattern& pattern, int size, std::uint64_t stream)
      : pattern_(pattern), size_(size), random_(11, stream), image_(make_image(size, size, 3)) {
    for (int i = 0; i < 7; ++i) {
      centers_.push_back({random_.uniform(), random_.uniform(), random_.uniform(0.08f, 0.22f)});
    }
  }

  Image paint() {
    const float width = std::max(pattern_.width * static_cast<float>(size_), 1.5f);
    const float length = std::max(pattern_.length * static_cast<float>(size_), 1.0f);
    const float area = static_cast<float>(size_) * static_cast<float>(size_);
    paint_ground();
    const auto strokes = static_cast<int>(9 * area / (width * (length + width)));
    for (int i = 0; i < strokes; ++i) stroke(width, length);
    return std::move(image_);
  }

 private:
  struct Center {
    float x, y, radius;
  };

  float angle(float x, float y) const {
    float angle = pattern_.base_angle + pattern_.wander * 1.6f * bend_.at(3 * x, 3 * y);
    for (const Center& center : centers_) {
      const float dx = x - center.x, dy = y - center.y;
      const float near = std::exp(-(dx * dx + dy * dy) / (2 * center.radius * center.radius));
      const float around = std::atan2(dy, dx) + std::numbers::pi_v<float> / 2;
      angle += pattern_.swirl * near * std::remainder(around - angle, std::numbers::pi_v<float>);
    }
    return angle;
  }

  // 0..1: where on the palette the ground lies here.
  float tone(float x, float y) const {
    float tone = 0.5f + 0.55f * tone_.at(pattern_.tone_scale * x, pattern_.tone_scale * y) +
                 0.2f * tone_.at(4 * pattern_.tone_scale * x + 9, 4 * pattern_.tone_scale * y);
    for (const Center& center : centers_) {
      const float dx = x - center.x, dy = y - center.y;
      const float distance = std::sqrt(dx * dx + dy * dy) / center.radius;
      tone += pattern_.swirl * 0.55f * std::exp(-distance * distance * 2);
    }
    return std::clamp(tone, 0.0f, 1.0f);
  }

  Color color_at(float tone) const {
    const float position = tone * static_cast<float>(pattern_.palette.size() - 1);
    const auto index = std::min(static_cast<std::size_t>(position), pattern_.palette.size() - 2);
    const float blend = position - static_cast<float>(index);
    Color color{};
    for (std::size_t c = 0; c < 3; ++c) {
      color[c] = pattern_.palette[index][c] +
                 blend * (pattern_.palette[index + 1][c] - pattern_.palette[index][c]);
    }
    return color;
  }

  // What shows where no stroke happens to lie.
  void paint_ground() {
    for (int y = 0; y < size_; ++y) {
      for (int x = 0; x < size_; ++x) {
        const float size = static_cast<float>(size_);
        const Color color =
            color_at(tone(static_cast<float>(x) / size, static_cast<float>(y) / size));
        for (int c = 0; c < 3; ++c) {
          image_.at(y, x, c) = static_cast<std::uint8_t>(0.8f * color[static_cast<std::size_t>(c)]);
        }
      }
    }
  }

  void stroke(float width, float length) {
    const float size = static_cast<float>(size_);
    float x = random_.uniform(-0.05f, 1.05f) * size, y = random_.uniform(-0.05f, 1.05f) * size;
    Color color =
        color_at(std::clamp(tone(x / size, y / size) + 0.12f * random_.normal(), 0.0f, 1.0f));
    const float shade = random_.uniform(-14, 14);
    for (float& value : color) value += shade;
    const auto seed = random_.word();
    const int steps = std::max(1, static_cast<int>(length * random_.uniform(0.6f, 1.2f)));
    for (int i = 0; i < steps; ++i) {
      const float a = angle(x / size, y / size);
      // A brush lifts at both ends.
      const float t = (static_cast<float>(i) + 0.5f) / static_cast<float>(steps);
      dab(x, y, a, width * (steps > 1 ? std::sqrt(4 * t * (1 - t)) : 1), color, seed);
      x += std::cos(a);
      y += std::sin(a);
    }
  }

  // One touch of the brush: a disc whose bristles leave lighter and darker lines along the stroke.
  void dab(float cx, float cy, float a, float width, const Color& color, std::uint32_t seed) {
    const float radius = width / 2, nx = -std::sin(a), ny = std::cos(a);
    const int reach = static_cast<int>(std::ceil(radius));
    for (int dy = -reach; dy <= reach; ++dy) {
      for (int dx = -reach; dx <= reach; ++dx) {
        const int x = static_cast<int>(cx) + dx, y = static_cast<int>(cy) + dy;
        if (x < 0 || y < 0 || x >= size_ || y >= size_) continue;
        const float distance = std::sqrt(static_cast<float>(dx * dx + dy * dy));
        const float cover = std::clamp(radius + 0.5f - distance, 0.0f, 1.0f);
        if (cover <= 0) continue;
        const float across = (static_cast<float>(dx) * nx + static_cast<float>(dy) * ny) / 1.3f;
        const auto bristle = static_cast<std::uint32_t>(static_cast<int>(std::floor(across)) + 64);
        const std::uint32_t hash = (seed ^ (bristle * 2654435761u)) * 2246822519u;
        const float relief = static_cast<float>(hash >> 24) / 255.0f * 36 - 18;
        for (int c = 0; c < 3; ++c) {
          const float wanted =
              std::clamp(color[static_cast<std::size_t>(c)] + relief, 0.0f, 255.0f);
          std::uint8_t& pixel = image_.at(y, x, c);
          pixel = static_cast<std::uint8_t>(std::lround(
              static_cast<float>(pixel) + cover * (wanted - static_cast<float>(pixel))));
        }
      }
    }
  }

  const Pattern& pattern_;
  int size_;
  RandomNumbers random_;
  Image image_;
  std::vector<Center> centers_;
  Noise bend_{1}, tone_{2};
};

}  // namespace

Image make_pattern(const std::string& name, int size) {
  std::string names;
  std::uint64_t stream = 0;
  for (const Pattern& pattern : patterns()) {
    if (pattern.name == name) return Painter(pattern, size, stream).paint();
    names += join(names.empty() ? "" : " ", pattern.name);
    ++stream;
  }
  throw UsageError(join("pattern:", name, ": there is no such pattern; there are: ", names));
}

}  // namespace engine::apps::style_transfer
