#include "bench/engine_bench/statistics.h"

#include <algorithm>
#include <cmath>

#include "engine/core/errors.h"

namespace engine::bench {
namespace {

double quantile(const std::vector<double>& sorted, double share) {
  const double position = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(position);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (position - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

}  // namespace

Spread spread_of(std::vector<double> values) {
  ENGINE_CHECK(!values.empty(), "spread_of: there are no measurements");
  std::sort(values.begin(), values.end());
  return {.median = quantile(values, 0.5),
          .low = quantile(values, 0.25),
          .high = quantile(values, 0.75),
          .n = static_cast<int>(values.size())};
}

double relative_spread(const Spread& spread) {
  return spread.median > 0 ? (spread.high - spread.low) / spread.median / 2 : 0;
}

double geometric_mean(std::span<const double> values) {
  ENGINE_CHECK(!values.empty(), "geometric_mean: there are no values");
  double sum = 0;
  for (const double value : values) {
    ENGINE_CHECK(value > 0, "geometric_mean: ", value, " is not above 0");
    sum += std::log(value);
  }
  return std::exp(sum / static_cast<double>(values.size()));
}

bool has_settled(std::span<const double> times, int window, double tolerance) {
  const auto size = static_cast<std::size_t>(window);
  if (times.size() < 2 * size) return false;
  const auto median_of = [](std::span<const double> part) {
    return spread_of({part.begin(), part.end()}).median;
  };
  const double last = median_of(times.last(size));
  const double before = median_of(times.last(2 * size).first(size));
  return std::abs(last - before) <= tolerance * std::min(last, before);
}

}  // namespace engine::bench
