#pragma once

#include <cstdint>
#include <vector>

// The matrix product by its definition, in double.
namespace engine::reference {

struct MatmulCase {
  const char* name = "";
  std::int64_t m = 1, k = 1, n = 1;
  bool transpose_a = false, transpose_b = false;

  std::int64_t a_index(std::int64_t row, std::int64_t term) const {
    return transpose_a ? term * m + row : row * k + term;
  }
  std::int64_t b_index(std::int64_t term, std::int64_t column) const {
    return transpose_b ? column * k + term : term * n + column;
  }
};

inline std::vector<double> matmul(const MatmulCase& c, const std::vector<double>& a,
                                  const std::vector<double>& b) {
  std::vector<double> y(c.m * c.n, 0.0);
  for (std::int64_t row = 0; row < c.m; ++row)
    for (std::int64_t column = 0; column < c.n; ++column)
      for (std::int64_t term = 0; term < c.k; ++term)
        y[row * c.n + column] += a[c.a_index(row, term)] * b[c.b_index(term, column)];
  return y;
}

// The gradients of sum(y * dy) with respect to a and b, in their own layouts.
inline std::vector<double> matmul_backward_a(const MatmulCase& c, const std::vector<double>& dy,
                                             const std::vector<double>& b) {
  std::vector<double> da(c.m * c.k, 0.0);
  for (std::int64_t row = 0; row < c.m; ++row)
    for (std::int64_t column = 0; column < c.n; ++column)
      for (std::int64_t term = 0; term < c.k; ++term)
        da[c.a_index(row, term)] += dy[row * c.n + column] * b[c.b_index(term, column)];
  return da;
}

inline std::vector<double> matmul_backward_b(const MatmulCase& c, const std::vector<double>& a,
                                             const std::vector<double>& dy) {
  std::vector<double> db(c.k * c.n, 0.0);
  for (std::int64_t row = 0; row < c.m; ++row)
    for (std::int64_t column = 0; column < c.n; ++column)
      for (std::int64_t term = 0; term < c.k; ++term)
        db[c.b_index(term, column)] += a[c.a_index(row, term)] * dy[row * c.n + column];
  return db;
}

}  // namespace engine::reference
