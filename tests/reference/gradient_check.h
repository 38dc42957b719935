#pragma once

#include <cmath>
#include <functional>
#include <vector>

namespace engine::reference {

using Doubles = std::vector<double>;

// d sum(f(x) * dy) / dx by central differences in double: the judge of every reference gradient.
inline Doubles central_differences(const std::function<Doubles(const Doubles&)>& f, Doubles x,
                                   const Doubles& dy, double step = 1e-5) {
  const auto objective = [&] {
    const Doubles y = f(x);
    double total = 0;
    for (std::size_t i = 0; i < y.size(); ++i) total += y[i] * dy.at(i);
    return total;
  };
  Doubles dx(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double center = x[i];
    x[i] = center + step;
    const double above = objective();
    x[i] = center - step;
    dx[i] = (above - objective()) / (2 * step);
    x[i] = center;
  }
  return dx;
}

// The largest difference relative to 1 + |value|; infinity when sizes differ or something is NaN.
inline double worst_difference(const Doubles& a, const Doubles& b) {
  if (a.size() != b.size() || a.empty()) return INFINITY;
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = std::abs(a[i] - b[i]) / (1 + std::abs(b[i]));
    if (!(difference <= worst)) worst = std::isnan(difference) ? INFINITY : difference;
  }
  return worst;
}

}  // namespace engine::reference
