#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include <gtest/gtest.h>

#include "engine/core/tensor.h"

namespace engine {

// Largest relative error of rounding to the type: 2^-p for p significant bits (8, 11 and 24).
inline double rounding_of(DType dtype) {
  switch (dtype) {
    case DType::bf16:
      return 0x1p-8;
    case DType::f16:
      return 0x1p-11;
    default:
      return 0x1p-24;
  }
}

// The house tolerance: (terms + 2) * 2^-24 * sum |a||b| + eps_out * |want|, where `terms` products
// were accumulated in f32 and `magnitude` is the sum of their absolute values.
inline double error_bound(double terms, double magnitude, double want, DType out = DType::f32) {
  return (terms + 2) * 0x1p-24 * magnitude + rounding_of(out) * std::abs(want);
}

// An element is good only if |got - want| <= bound is true; NaN is good only where NaN is wanted,
// an infinity only where the same one is. Fails on another size, and on nothing to compare. The
// message has the count of bad elements and the worst one.
inline testing::AssertionResult close_to(const Tensor& got, std::span<const double> want,
                                         std::span<const double> bound) {
  if (!got.defined()) return testing::AssertionFailure() << "no tensor";
  const std::vector<float> values = got.to_floats();
  if (values.size() != want.size() || values.size() != bound.size()) {
    return testing::AssertionFailure() << "sizes differ: got " << values.size() << ", want "
                                       << want.size() << ", bound " << bound.size();
  }
  if (values.empty()) return testing::AssertionFailure() << "nothing to compare";
  std::size_t bad = 0, worst = 0;
  double worst_excess = -1;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double value = values[i];
    if (std::isnan(want[i]) ? std::isnan(value) : value == want[i]) continue;
    const double error = std::abs(value - want[i]);
    if (std::isfinite(want[i]) && error <= bound[i]) continue;
    ++bad;
    const double excess = std::isfinite(error) ? error / std::max(bound[i], 1e-300) : INFINITY;
    if (excess > worst_excess) {
      worst_excess = excess;
      worst = i;
    }
  }
  if (bad == 0) return testing::AssertionSuccess();
  return testing::AssertionFailure()
         << bad << " of " << values.size() << " differ; worst at " << worst << " of " << got.shape()
         << ": got " << values[worst] << ", want " << want[worst] << ", bound " << bound[worst];
}

// One absolute bound for all elements; 0 asks for equality.
inline testing::AssertionResult close_to(const Tensor& got, std::span<const double> want,
                                         double bound) {
  return close_to(got, want, std::vector<double>(want.size(), bound));
}

// Type and every byte alike.
inline testing::AssertionResult same_bits(const Tensor& a, const Tensor& b) {
  if (!a.defined() || !b.defined()) return testing::AssertionFailure() << "no tensor";
  if (a.type() != b.type()) {
    return testing::AssertionFailure() << "types differ: " << a.type() << " and " << b.type();
  }
  const Tensor left = a.to(Device::cpu()), right = b.to(Device::cpu());
  const auto* x = static_cast<const std::uint8_t*>(left.data());
  const auto* y = static_cast<const std::uint8_t*>(right.data());
  const std::int64_t size = size_of(a.dtype());
  std::int64_t bad = 0, first = -1;
  for (std::int64_t i = 0; i < a.elements(); ++i) {
    if (std::memcmp(x + i * size, y + i * size, static_cast<std::size_t>(size)) == 0) continue;
    if (bad++ == 0) first = i;
  }
  if (bad == 0) return testing::AssertionSuccess();
  const auto at = static_cast<std::size_t>(first);
  return testing::AssertionFailure()
         << bad << " of " << a.elements() << " elements of " << a.type() << " differ; first at "
         << first << ": " << a.to_floats()[at] << " and " << b.to_floats()[at];
}

inline std::vector<double> to_doubles(const Tensor& tensor) {
  const std::vector<float> values = tensor.to_floats();
  return {values.begin(), values.end()};
}

}  // namespace engine
