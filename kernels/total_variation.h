#pragma once

#include <memory>

#include "engine/core/graph.h"

namespace engine {

// The sum of squared differences of neighbours to the right and below, within each image.
//   y = sum (x[n, h + 1, w, c] - x[n, h, w, c])^2 + sum (x[n, h, w + 1, c] - x[n, h, w, c])^2
// Shapes: x [n, h, w, c] -> scalar.
// Dtypes: f32 class. The sum over a row of an image in f32, rows added in double in order: the same
//   bits for every thread count. On CUDA in f32 by parts of the images, these in double.
// Gradients: x.
// Numerics: NaN in x reaches y, unless the image is a single pixel (y is 0).
// Scratch: 8 bytes a row.
// Source: the squared, anisotropic form of Rudin, Osher and Fatemi 1992, as Mahendran and Vedaldi
//   2015, arXiv:1412.0035, equation 3, with beta = 2.
Value total_variation(const Value& x);

namespace cpu {
std::unique_ptr<Kernel> prepare_total_variation(const Shape& x);
// (dy, x) -> dx
std::unique_ptr<Kernel> prepare_total_variation_backward(const Shape& x);
}  // namespace cpu
namespace cuda {
std::unique_ptr<Kernel> prepare_total_variation(const Shape& x);
// (dy, x) -> dx
std::unique_ptr<Kernel> prepare_total_variation_backward(const Shape& x);
}  // namespace cuda

}  // namespace engine
