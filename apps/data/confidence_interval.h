#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace engine::apps {

struct Interval {
  double low = 0;
  double high = 1;
};

// The Wilson score interval of a proportion, by default at 95 %; [0, 1] when total is 0.
// Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
// JASA 22 (1927).
inline Interval wilson_interval(std::int64_t correct, std::int64_t total,
                                double z = 1.959963984540054) {
  if (total <= 0) return {};
  const double n = static_cast<double>(total);
  const double p = static_cast<double>(correct) / n;
  const double z2 = z * z;
  const double center = (p + z2 / (2 * n)) / (1 + z2 / n);
  const double half = z / (1 + z2 / n) * std::sqrt(p * (1 - p) / n + z2 / (4 * n * n));
  return {std::max(0.0, center - half), std::min(1.0, center + half)};
}

}  // namespace engine::apps
