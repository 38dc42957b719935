#pragma once

#include <iosfwd>

#include "engine/core/dtype.h"
#include "engine/core/gpu.h"
#include "engine/kernels/conv2d.h"

// Which of the CUDA kernels computes a convolution: a pure function, so that it can be printed and
// tested.
namespace engine::cuda {

enum class Conv2dDirection : std::uint8_t { forward, backward_data, backward_weights };
std::ostream& operator<<(std::ostream& out, Conv2dDirection direction);

enum class Conv2dAlgorithm : std::uint8_t {
  plain,         // any geometry and type, f32 multiply-adds
  few_channels,  // of the input; these two see conv2d_special.h
  depthwise,
};
std::ostream& operator<<(std::ostream& out, Conv2dAlgorithm algorithm);

// One direction of a convolution as products of m x k and k x n matrices, `count` of them (groups).
struct Conv2dProducts {
  std::int64_t m = 0, n = 0, k = 0, count = 1;
};
Conv2dProducts conv2d_products(Conv2dDirection direction, const Conv2dProblem& problem);

// An algorithm and its configuration.
struct Conv2dChoice {
  Conv2dAlgorithm algorithm = Conv2dAlgorithm::plain;
  int tile_m = 64, tile_n = 64;  // of the product that a block computes; not of special kernels
  int splits = 1;                // parts of k, summed in a fixed order from f32 partial sums

  bool operator==(const Conv2dChoice&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Conv2dChoice& choice);

// `dtype` is that of x, y and their gradients.
Conv2dChoice choose_conv2d(Conv2dDirection direction, const Conv2dProblem& problem, DType dtype,
                           const Gpu& gpu);

}  // namespace engine::cuda
