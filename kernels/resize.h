#pragma once

#include <memory>
#include <vector>

#include "engine/core/graph.h"

namespace engine {

enum class ResizeFilter : std::uint8_t {
  bilinear,  // a triangle of one output pixel's half width on either side, antialiased
  area,      // the mean over the part of the input that an output pixel covers
};

struct ResizeOptions {
  std::int64_t height = 0;  // required
  std::int64_t width = 0;   // required
  ResizeFilter filter = ResizeFilter::bilinear;
};

// Resampling along height and width; pixel centres are at half integers (align_corners is false).
// Where it reduces, the filter widens by the factor of reduction, so that every input pixel counts
// (PyTorch's interpolate with antialias); where it enlarges, `bilinear` interpolates and `area`
// repeats pixels, mixing where an output pixel straddles two. Weights of an output pixel sum to 1;
// what lies outside of the image has none.
// Shapes: x [n, h, w, c] -> [n, height, width, c].
// Dtypes: f32 class. The width first, then the height; sums in f32 in order of the pixels.
// Gradients: x (the transposed map).
// Scratch: an image of the input's height and the output's width, f32.
Value resize(const Value& x, const ResizeOptions& options);

// The weights of one axis: output i is the sum of weights[first[i] + k] * x[begin[i] + k].
struct ResizeAxis {
  std::int64_t in = 0, out = 0;
  std::vector<std::int64_t> begin;  // [out] input position
  std::vector<std::int64_t> first;  // [out + 1] into weights
  std::vector<float> weights;
};
ResizeAxis resize_axis(std::int64_t in, std::int64_t out, ResizeFilter filter);
ResizeAxis transposed(const ResizeAxis& axis);

struct ResizeProblem {
  std::int64_t n = 0, c = 0;
  ResizeAxis vertical, horizontal;
};

namespace cpu {
std::unique_ptr<Kernel> prepare_resize(ResizeProblem problem);
}  // namespace cpu
namespace cuda {
std::unique_ptr<Kernel> prepare_resize(const ResizeProblem& problem, const Device& device);
}  // namespace cuda

}  // namespace engine
