#pragma once

#include "engine/kernels/conv2d.h"
#include "engine/kernels/cuda/fast_divisor.h"

namespace engine::cuda {

// A convolution as kernels see it: extents of 32 bits, and divisors for the way back from an index.
struct Conv2dMap {
  int n, ih, iw, ic, oc, kh, kw, oh, ow;
  int stride_h, stride_w, padding_h, padding_w, dilation_h, dilation_w;
  int groups, group_ic, group_oc;
  int x_pixels, y_pixels;  // of all images
  int group_steps;         // kh * kw * group_ic, the length of a filter
  FastDivisor by_ih, by_iw, by_oh, by_ow, by_kw, by_group_ic, by_group_oc;
  FastDivisor by_stride_h, by_stride_w;
  FastDivisor by_ic_chunks, by_oc_chunks;  // of `chunk` channels of a group
};

// Throws InvalidArgument where an index of a pixel or of a filter's element exceeds 32 bits.
Conv2dMap conv2d_map(const Conv2dProblem& problem, int chunk = 8);

// A row and a column that lie outside of every image, and stay there when a tap is added.
inline constexpr int kNowhere = -(1 << 30);

// Where an index over all pixels of images of h x w lies.
struct PixelPosition {
  int image, h, w;
};
__device__ inline PixelPosition pixel_position(int pixel, const FastDivisor& by_h,
                                               const FastDivisor& by_w) {
  const int row = by_w.quotient(pixel), image = by_h.quotient(row);
  return {image, row - image * by_h.divisor(), pixel - row * by_w.divisor()};
}

// Where an index over a filter of kh x kw taps with `channels` each lies.
struct TapPosition {
  int tap, h, w, channel;
};
__device__ inline TapPosition tap_position(int index, const FastDivisor& by_channels,
                                           const FastDivisor& by_kw) {
  const int tap = by_channels.quotient(index), h = by_kw.quotient(tap);
  return {tap, h, tap - h * by_kw.divisor(), index - tap * by_channels.divisor()};
}

__device__ inline bool is_within(int index, int count) {
  return static_cast<unsigned>(index) < static_cast<unsigned>(count);
}

__device__ inline float activate(float value, Activation activation) {
  // Not fmaxf, which loses NaN.
  return activation == Activation::relu && value < 0 ? 0.0f : value;
}

}  // namespace engine::cuda
