#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace engine::apps {

// How often two equally good methods, tried on the same items, would share the items that only one
// of them gets right at least as unevenly as this: McNemar's test, two-sided, exact (binomial).
// Source: Q. McNemar, "Note on the sampling error of the difference between correlated proportions
// or percentages", Psychometrika 12 (1947).
inline double mcnemar_p(std::int64_t only_first, std::int64_t only_second) {
  const auto n = static_cast<double>(only_first + only_second);
  double tail = 0;
  for (std::int64_t k = 0; k <= std::min(only_first, only_second); ++k) {
    const auto count = static_cast<double>(k);
    tail += std::exp(std::lgamma(n + 1) - std::lgamma(count + 1) - std::lgamma(n - count + 1) -
                     n * std::log(2.0));
  }
  return std::min(1.0, 2 * tail);
}

}  // namespace engine::apps
