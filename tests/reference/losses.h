#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace engine::reference {

using Rows = std::vector<double>;  // [rows, classes]

inline Rows softmax(const Rows& x, std::size_t classes) {
  Rows y(x.size());
  for (std::size_t row = 0; row < x.size(); row += classes) {
    double largest = x[row], sum = 0;
    for (std::size_t i = 0; i < classes; ++i) largest = std::max(largest, x[row + i]);
    for (std::size_t i = 0; i < classes; ++i) sum += y[row + i] = std::exp(x[row + i] - largest);
    for (std::size_t i = 0; i < classes; ++i) y[row + i] /= sum;
  }
  return y;
}

// The Jacobian of each row is diag(y) - y y^T.
inline Rows softmax_backward(const Rows& y, const Rows& dy, std::size_t classes) {
  Rows dx(y.size());
  for (std::size_t row = 0; row < y.size(); row += classes) {
    for (std::size_t i = 0; i < classes; ++i) {
      for (std::size_t j = 0; j < classes; ++j) {
        dx[row + i] += ((i == j ? y[row + i] : 0) - y[row + i] * y[row + j]) * dy[row + j];
      }
    }
  }
  return dx;
}

inline std::vector<double> cross_entropy(const Rows& logits,
                                         const std::vector<std::int32_t>& labels,
                                         std::size_t classes) {
  std::vector<double> loss;
  for (std::size_t row = 0; row < labels.size(); ++row) {
    const double* x = logits.data() + row * classes;
    double largest = x[0], sum = 0;
    for (std::size_t i = 0; i < classes; ++i) largest = std::max(largest, x[i]);
    for (std::size_t i = 0; i < classes; ++i) sum += std::exp(x[i] - largest);
    const bool is_known = labels[row] >= 0 && labels[row] < static_cast<std::int32_t>(classes);
    loss.push_back(is_known ? std::log(sum) + largest - x[labels[row]]
                            : std::numeric_limits<double>::quiet_NaN());
  }
  return loss;
}

inline Rows cross_entropy_backward(const Rows& logits, const std::vector<std::int32_t>& labels,
                                   const std::vector<double>& dloss, std::size_t classes) {
  Rows dx = softmax(logits, classes);
  for (std::size_t row = 0; row < labels.size(); ++row) {
    for (std::size_t i = 0; i < classes; ++i) {
      const double one = static_cast<std::int32_t>(i) == labels[row] ? 1 : 0;
      dx[row * classes + i] = dloss[row] * (dx[row * classes + i] - one);
    }
  }
  return dx;
}

inline double binary_cross_entropy(double z, double t) {
  return (z > 0 ? z : 0) - z * t + std::log1p(std::exp(-std::abs(z)));
}

inline double binary_cross_entropy_slope(double z, double t) {
  return (z < 0 ? std::exp(z) / (1 + std::exp(z)) : 1 / (1 + std::exp(-z))) - t;
}

}  // namespace engine::reference
