#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace engine::reference {

// Resampling as a dense matrix for each axis, from the definition of the filter alone.
struct Resize {
  std::int64_t h, w, c, oh, ow;
  bool is_area;

  static std::vector<double> matrix(std::int64_t in, std::int64_t out, bool is_area) {
    std::vector<double> m(static_cast<std::size_t>(in * out));
    const double factor = static_cast<double>(in) / static_cast<double>(out);
    for (std::int64_t o = 0; o < out; ++o) {
      double sum = 0;
      for (std::int64_t i = 0; i < in; ++i) {
        double weight = 0;
        if (is_area) {  // the overlap of [i, i + 1) with [o, o + 1) * factor
          weight = std::min((static_cast<double>(o) + 1) * factor, static_cast<double>(i) + 1) -
                   std::max(static_cast<double>(o) * factor, static_cast<double>(i));
        } else {
          const double distance =
              static_cast<double>(i) + 0.5 - (static_cast<double>(o) + 0.5) * factor;
          weight = 1 - std::abs(distance) / std::max(factor, 1.0);
        }
        m[static_cast<std::size_t>(o * in + i)] = std::max(weight, 0.0);
        sum += std::max(weight, 0.0);
      }
      for (std::int64_t i = 0; i < in; ++i) m[static_cast<std::size_t>(o * in + i)] /= sum;
    }
    return m;
  }

  // visit(output element, input element, weight), where the weight is not zero
  template <class Visit>
  void for_each(const Visit& visit) const {
    const auto rows = matrix(h, oh, is_area), columns = matrix(w, ow, is_area);
    for (std::int64_t y = 0; y < oh; ++y)
      for (std::int64_t x = 0; x < ow; ++x)
        for (std::int64_t i = 0; i < h; ++i)
          for (std::int64_t j = 0; j < w; ++j) {
            const double weight = rows[static_cast<std::size_t>(y * h + i)] *
                                  columns[static_cast<std::size_t>(x * w + j)];
            if (weight == 0) continue;
            for (std::int64_t k = 0; k < c; ++k) {
              visit(static_cast<std::size_t>((y * ow + x) * c + k),
                    static_cast<std::size_t>((i * w + j) * c + k), weight);
            }
          }
  }
  std::vector<double> forward(const std::vector<double>& x) const {
    std::vector<double> y(static_cast<std::size_t>(oh * ow * c));
    for_each([&](std::size_t to, std::size_t from, double weight) { y[to] += weight * x[from]; });
    return y;
  }
  std::vector<double> backward(const std::vector<double>& dy) const {
    std::vector<double> dx(static_cast<std::size_t>(h * w * c));
    for_each([&](std::size_t to, std::size_t from, double weight) { dx[from] += weight * dy[to]; });
    return dx;
  }
};

}  // namespace engine::reference
