#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

namespace engine::reference {

struct BatchNorm {
  std::size_t channels;
  double epsilon;

  struct Statistics {
    std::vector<double> mean, variance;
  };
  Statistics statistics(const std::vector<double>& x) const {
    Statistics result{std::vector<double>(channels), std::vector<double>(channels)};
    const auto rows = static_cast<double>(x.size() / channels);
    for (std::size_t i = 0; i < x.size(); ++i) result.mean[i % channels] += x[i] / rows;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double centered = x[i] - result.mean[i % channels];
      result.variance[i % channels] += centered * centered / rows;
    }
    return result;
  }

  std::vector<double> normalized(const std::vector<double>& x, const Statistics& s) const {
    std::vector<double> result(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::size_t c = i % channels;
      result[i] = (x[i] - s.mean[c]) / std::sqrt(s.variance[c] + epsilon);
    }
    return result;
  }
  std::vector<double> forward(const std::vector<double>& x, const Statistics& s,
                              const std::vector<double>& scale,
                              const std::vector<double>& shift) const {
    std::vector<double> y = normalized(x, s);
    for (std::size_t i = 0; i < y.size(); ++i) {
      y[i] = y[i] * scale[i % channels] + shift[i % channels];
    }
    return y;
  }

  struct Gradients {
    std::vector<double> dx, dscale, dshift;
  };
  // Through the batch's own statistics: Ioffe and Szegedy 2015, section 3.
  Gradients backward(const std::vector<double>& x, const std::vector<double>& scale,
                     const std::vector<double>& dy) const {
    const Statistics s = statistics(x);
    const std::vector<double> hat = normalized(x, s);
    Gradients g{std::vector<double>(x.size()), std::vector<double>(channels),
                std::vector<double>(channels)};
    const auto rows = static_cast<double>(x.size() / channels);
    for (std::size_t i = 0; i < x.size(); ++i) {
      g.dshift[i % channels] += dy[i];
      g.dscale[i % channels] += dy[i] * hat[i];
    }
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::size_t c = i % channels;
      g.dx[i] = scale[c] / std::sqrt(s.variance[c] + epsilon) *
                (dy[i] - g.dshift[c] / rows - hat[i] * g.dscale[c] / rows);
    }
    return g;
  }
};

}  // namespace engine::reference
