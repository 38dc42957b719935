#pragma once

#include <cstdint>
#include <vector>

namespace engine::reference {

// y[i, j] = scale * sum over rows of x[row, i] x[row, j].
struct Gram {
  std::int64_t rows, channels;
  double scale;

  std::vector<double> forward(const std::vector<double>& x) const {
    std::vector<double> y(static_cast<std::size_t>(channels * channels));
    for (std::int64_t i = 0; i < channels; ++i)
      for (std::int64_t j = 0; j < channels; ++j)
        for (std::int64_t row = 0; row < rows; ++row)
          y[static_cast<std::size_t>(i * channels + j)] +=
              scale * x.at(static_cast<std::size_t>(row * channels + i)) *
              x.at(static_cast<std::size_t>(row * channels + j));
    return y;
  }
  std::vector<double> backward(const std::vector<double>& x, const std::vector<double>& dy) const {
    std::vector<double> dx(x.size());
    for (std::int64_t i = 0; i < channels; ++i)
      for (std::int64_t j = 0; j < channels; ++j)
        for (std::int64_t row = 0; row < rows; ++row) {
          const double g = scale * dy.at(static_cast<std::size_t>(i * channels + j));
          dx[static_cast<std::size_t>(row * channels + i)] +=
              g * x.at(static_cast<std::size_t>(row * channels + j));
          dx[static_cast<std::size_t>(row * channels + j)] +=
              g * x.at(static_cast<std::size_t>(row * channels + i));
        }
    return dx;
  }
};

}  // namespace engine::reference
