#include <algorithm>
#include <cmath>

#include "engine/apps/data/image.h"
#include "engine/core/errors.h"

namespace engine::apps {
namespace {

// The source samples [first, first + weights.size()) that make one output sample.
struct Taps {
  int first = 0;
  std::vector<float> weights;
};

std::vector<Taps> triangle_taps(int source, int target) {
  const double scale = static_cast<double>(source) / target;
  const double support = std::max(scale, 1.0);
  std::vector<Taps> taps(target);
  for (int t = 0; t < target; ++t) {
    const double center = (t + 0.5) * scale - 0.5;
    const int first = std::max(0, static_cast<int>(std::ceil(center - support)));
    const int last = std::min(source - 1, static_cast<int>(std::floor(center + support)));
    std::vector<double> weights;
    double sum = 0;
    for (int s = first; s <= last; ++s) {
      weights.push_back(std::max(0.0, 1 - std::abs(s - center) / support));
      sum += weights.back();
    }
    taps[t].first = first;
    for (const double weight : weights) {
      taps[t].weights.push_back(static_cast<float>(weight / sum));
    }
  }
  return taps;
}

// One row of `source`, resized: out[target * channels].
template <int kChannels>
void resize_row(const std::uint8_t* source, const std::vector<Taps>& taps, float* out) {
  for (const Taps& tap : taps) {
    float sum[kChannels] = {};
    const std::uint8_t* sample = source + static_cast<std::ptrdiff_t>(tap.first) * kChannels;
    for (const float weight : tap.weights) {
      for (int c = 0; c < kChannels; ++c) sum[c] += weight * static_cast<float>(*sample++);
    }
    for (int c = 0; c < kChannels; ++c) *out++ = sum[c];
  }
}

}  // namespace

Image resize(const Image& image, int width, int height) {
  ENGINE_CHECK(image.width > 0 && image.height > 0, "resize: the picture is empty");
  ENGINE_CHECK(width > 0 && height > 0, "resize: to ", width, "x", height);
  if (width == image.width && height == image.height) return image;
  const auto taps_x = triangle_taps(image.width, width);
  const auto taps_y = triangle_taps(image.height, height);
  const std::int64_t source_row = std::int64_t{image.width} * image.channels;
  const std::int64_t row = std::int64_t{width} * image.channels;
  const bool is_large = source_row * image.height > (std::int64_t{1} << 20);

  std::vector<float> narrow(static_cast<std::size_t>(image.height * row));
#pragma omp parallel for schedule(static) if (is_large)
  for (int y = 0; y < image.height; ++y) {
    const std::uint8_t* source = &image.pixels[y * source_row];
    if (image.channels == 3) {
      resize_row<3>(source, taps_x, &narrow[y * row]);
    } else {
      resize_row<1>(source, taps_x, &narrow[y * row]);
    }
  }

  Image result = make_image(width, height, image.channels);
#pragma omp parallel for schedule(static) if (is_large)
  for (int y = 0; y < height; ++y) {
    std::vector<float> sum(row, 0.0f);
    const Taps& tap = taps_y[y];
    for (std::size_t k = 0; k < tap.weights.size(); ++k) {
      const float* source = &narrow[(tap.first + static_cast<std::int64_t>(k)) * row];
      const float weight = tap.weights[k];
      for (std::int64_t i = 0; i < row; ++i) sum[i] += weight * source[i];
    }
    for (std::int64_t i = 0; i < row; ++i) {
      result.pixels[y * row + i] =
          static_cast<std::uint8_t>(std::clamp(sum[i] + 0.5f, 0.0f, 255.0f));
    }
  }
  return result;
}

}  // namespace engine::apps
