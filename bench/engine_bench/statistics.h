#pragma once

#include <span>
#include <vector>

namespace engine::bench {

// Median and quartiles of `n` measurements, interpolated between neighbours.
struct Spread {
  double median = 0;
  double low = 0;   // first quartile
  double high = 0;  // third quartile
  int n = 0;
};
Spread spread_of(std::vector<double> values);  // not empty

// (high - low) / median / 2: how far a typical measurement is from the median.
double relative_spread(const Spread& spread);

// exp of the mean of the logarithms; values above 0, at least one.
double geometric_mean(std::span<const double> values);

// Whether times have stopped moving: the medians of the last `window` and of the `window` before
// them differ by at most `tolerance` of the smaller. False while there are fewer than 2 windows.
bool has_settled(std::span<const double> times, int window, double tolerance);

}  // namespace engine::bench
