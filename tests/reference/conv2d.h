#pragma once

#include <cstdint>
#include <vector>

// 2-D cross-correlation by its definition, in double. Images [n, h, w, c], weights
// [out_channels, kh, kw, in_channels / groups].
namespace engine::reference {

struct Conv2dCase {
  const char* name = "";
  std::int64_t n = 1, h = 1, w = 1, in_channels = 1, out_channels = 1, kh = 1, kw = 1;
  std::int64_t stride_h = 1, stride_w = 1, padding_h = 0, padding_w = 0;
  std::int64_t dilation_h = 1, dilation_w = 1, groups = 1;

  std::int64_t oh() const { return (h + 2 * padding_h - dilation_h * (kh - 1) - 1) / stride_h + 1; }
  std::int64_t ow() const { return (w + 2 * padding_w - dilation_w * (kw - 1) - 1) / stride_w + 1; }
  std::int64_t group_channels() const { return in_channels / groups; }
  std::int64_t x_size() const { return n * h * w * in_channels; }
  std::int64_t w_size() const { return out_channels * kh * kw * group_channels(); }
  std::int64_t y_size() const { return n * oh() * ow() * out_channels; }
};

// Calls visit(x index, w index, y index) for every product of the sum.
template <class Visit>
void for_each_conv2d_term(const Conv2dCase& c, const Visit& visit) {
  const std::int64_t filters_per_group = c.out_channels / c.groups;
  for (std::int64_t image = 0; image < c.n; ++image)
    for (std::int64_t row = 0; row < c.oh(); ++row)
      for (std::int64_t column = 0; column < c.ow(); ++column)
        for (std::int64_t filter = 0; filter < c.out_channels; ++filter)
          for (std::int64_t i = 0; i < c.kh; ++i)
            for (std::int64_t j = 0; j < c.kw; ++j) {
              const std::int64_t in_row = row * c.stride_h - c.padding_h + i * c.dilation_h;
              const std::int64_t in_column = column * c.stride_w - c.padding_w + j * c.dilation_w;
              if (in_row < 0 || in_row >= c.h || in_column < 0 || in_column >= c.w) continue;
              for (std::int64_t channel = 0; channel < c.group_channels(); ++channel) {
                const std::int64_t in_channel =
                    filter / filters_per_group * c.group_channels() + channel;
                visit(((image * c.h + in_row) * c.w + in_column) * c.in_channels + in_channel,
                      ((filter * c.kh + i) * c.kw + j) * c.group_channels() + channel,
                      ((image * c.oh() + row) * c.ow() + column) * c.out_channels + filter);
              }
            }
}

inline std::vector<double> conv2d(const Conv2dCase& c, const std::vector<double>& x,
                                  const std::vector<double>& w) {
  std::vector<double> y(c.y_size(), 0.0);
  for_each_conv2d_term(c, [&](auto xi, auto wi, auto yi) { y[yi] += x[xi] * w[wi]; });
  return y;
}

inline std::vector<double> conv2d_backward_data(const Conv2dCase& c, const std::vector<double>& dy,
                                                const std::vector<double>& w) {
  std::vector<double> dx(c.x_size(), 0.0);
  for_each_conv2d_term(c, [&](auto xi, auto wi, auto yi) { dx[xi] += dy[yi] * w[wi]; });
  return dx;
}

inline std::vector<double> conv2d_backward_weights(const Conv2dCase& c,
                                                   const std::vector<double>& x,
                                                   const std::vector<double>& dy) {
  std::vector<double> dw(c.w_size(), 0.0);
  for_each_conv2d_term(c, [&](auto xi, auto wi, auto yi) { dw[wi] += x[xi] * dy[yi]; });
  return dw;
}

}  // namespace engine::reference
