#pragma once

#include <cstdint>
#include <vector>

namespace engine::reference {

// Sum of squared differences of neighbours, by its definition.
struct TotalVariation {
  std::int64_t n, h, w, c;

  std::size_t at(std::int64_t b, std::int64_t i, std::int64_t j, std::int64_t k) const {
    return static_cast<std::size_t>(((b * h + i) * w + j) * c + k);
  }
  // visit(element, its neighbour to the right or below)
  template <class Visit>
  void for_each_pair(const Visit& visit) const {
    for (std::int64_t b = 0; b < n; ++b)
      for (std::int64_t i = 0; i < h; ++i)
        for (std::int64_t j = 0; j < w; ++j)
          for (std::int64_t k = 0; k < c; ++k) {
            if (i + 1 < h) visit(at(b, i, j, k), at(b, i + 1, j, k));
            if (j + 1 < w) visit(at(b, i, j, k), at(b, i, j + 1, k));
          }
  }
  double forward(const std::vector<double>& x) const {
    double total = 0;
    for_each_pair([&](std::size_t a, std::size_t b) { total += (x[b] - x[a]) * (x[b] - x[a]); });
    return total;
  }
  std::vector<double> backward(const std::vector<double>& x, double dy) const {
    std::vector<double> dx(x.size());
    for_each_pair([&](std::size_t a, std::size_t b) {
      dx[b] += dy * 2 * (x[b] - x[a]);
      dx[a] -= dy * 2 * (x[b] - x[a]);
    });
    return dx;
  }
};

}  // namespace engine::reference
