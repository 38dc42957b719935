#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace engine::reference {

// Pooling by its definition: a padded copy of the image, then every window in full.
struct Pool2d {
  std::int64_t n, h, w, c;
  std::int64_t window_h, window_w, stride_h, stride_w, padding_h, padding_w;
  bool ceil_mode = false, count_include_padding = true;

  static std::int64_t extent(std::int64_t in, std::int64_t k, std::int64_t s, std::int64_t p,
                             bool ceil_mode) {
    const double positions = static_cast<double>(in + 2 * p - k) / static_cast<double>(s);
    auto out = static_cast<std::int64_t>(ceil_mode ? std::ceil(positions) : std::floor(positions));
    while (out * s >= in + p) --out;
    return out + 1;
  }
  std::int64_t oh() const { return extent(h, window_h, stride_h, padding_h, ceil_mode); }
  std::int64_t ow() const { return extent(w, window_w, stride_w, padding_w, ceil_mode); }

  // visit(window index, input index or -1 for padding, position in the window); what lies beyond
  // the padding is not visited.
  template <class Visit>
  void for_each(const Visit& visit) const {
    for (std::int64_t b = 0; b < n; ++b)
      for (std::int64_t i = 0; i < oh(); ++i)
        for (std::int64_t j = 0; j < ow(); ++j)
          for (std::int64_t k = 0; k < c; ++k)
            for (std::int64_t u = 0; u < window_h; ++u)
              for (std::int64_t v = 0; v < window_w; ++v) {
                const std::int64_t y = i * stride_h - padding_h + u,
                                   x = j * stride_w - padding_w + v;
                if (y >= h + padding_h || x >= w + padding_w) continue;
                const bool inside = y >= 0 && y < h && x >= 0 && x < w;
                visit(((b * oh() + i) * ow() + j) * c + k,
                      inside ? ((b * h + y) * w + x) * c + k : -1, u * window_w + v);
              }
  }

  std::int64_t windows() const { return n * oh() * ow() * c; }

  struct Max {
    std::vector<double> y;
    std::vector<std::int64_t> source;    // input element
    std::vector<std::int64_t> position;  // in the window
  };
  Max max(const std::vector<double>& x) const {
    const auto count = static_cast<std::size_t>(windows());
    Max result{std::vector<double>(count), std::vector<std::int64_t>(count, -1),
               std::vector<std::int64_t>(count, -1)};
    for_each([&](std::int64_t to, std::int64_t from, std::int64_t position) {
      if (from < 0) return;
      const auto t = static_cast<std::size_t>(to);
      const double value = x.at(static_cast<std::size_t>(from));
      if (result.source[t] >= 0 && !(value > result.y[t]) && !std::isnan(value)) return;
      result.y[t] = value;
      result.source[t] = from;
      result.position[t] = position;
    });
    return result;
  }
  std::vector<double> max_backward(const Max& forward, const std::vector<double>& dy) const {
    std::vector<double> dx(static_cast<std::size_t>(n * h * w * c));
    for (std::size_t i = 0; i < dy.size(); ++i) {
      if (forward.source[i] >= 0) dx[static_cast<std::size_t>(forward.source[i])] += dy[i];
    }
    return dx;
  }

  std::vector<double> counts() const {
    std::vector<double> result(static_cast<std::size_t>(windows()));
    for_each([&](std::int64_t to, std::int64_t from, std::int64_t) {
      if (from >= 0 || count_include_padding) result[static_cast<std::size_t>(to)] += 1;
    });
    return result;
  }
  std::vector<double> average(const std::vector<double>& x) const {
    std::vector<double> y = counts();
    const std::vector<double> divisors = y;
    std::fill(y.begin(), y.end(), 0.0);
    for_each([&](std::int64_t to, std::int64_t from, std::int64_t) {
      if (from < 0) return;
      const auto t = static_cast<std::size_t>(to);
      y[t] += x.at(static_cast<std::size_t>(from)) / divisors[t];
    });
    return y;
  }
  std::vector<double> average_backward(const std::vector<double>& dy) const {
    const std::vector<double> divisors = counts();
    std::vector<double> dx(static_cast<std::size_t>(n * h * w * c));
    for_each([&](std::int64_t to, std::int64_t from, std::int64_t) {
      if (from < 0) return;
      const auto t = static_cast<std::size_t>(to);
      dx[static_cast<std::size_t>(from)] += dy[t] / divisors[t];
    });
    return dx;
  }
};

}  // namespace engine::reference
