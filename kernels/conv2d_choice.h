#pragma once

#include <iosfwd>
#include <span>

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
  mma,    // bf16, f16 and tf32 on tensor cores of 8.0 and later; channels of a group in eights, for
          // tf32 in fours
  wgmma,  // forward, bf16, on those of 9.0; one group, input channels in eights
};
std::ostream& operator<<(std::ostream& out, Conv2dAlgorithm algorithm);

// What a choice is made from. `dtype` is that of x, y and their gradients.
struct Conv2dQuery {
  Conv2dDirection direction = Conv2dDirection::forward;
  Conv2dProblem problem;
  DType dtype = DType::f32;
  Gpu gpu;
  bool allows_tf32 = false;  // where dtype is f32
};

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
std::ostream& operator<<(std::ostream& out, const Conv2dChoice& choice);  // mma 128x64, 4 splits

Conv2dChoice choose_conv2d(const Conv2dQuery& query);

// Each algorithm: whether it takes the problem, and its best configuration.
Conv2dChoice choose_conv2d_plain(const Conv2dQuery& query);
bool conv2d_mma_takes(const Conv2dQuery& query);
Conv2dChoice choose_conv2d_mma(const Conv2dQuery& query);
// A stride divides the image, and where it is along the width, 64 divides the channels.
bool conv2d_wgmma_takes(const Conv2dQuery& query);
Conv2dChoice choose_conv2d_wgmma(const Conv2dQuery& query);

// A tile that conv2d_mma_*.cu compile, with what the cost model knows of it.
struct Conv2dMmaTile {
  int m, n;
  int most_blocks;    // that registers let share a multiprocessor
  int shared_kib;     // KiB of shared memory of a block
  double efficiency;  // share of the tensor cores' rate that a full multiprocessor reaches; a guess
                      // until a GPU is at hand
};
std::span<const Conv2dMmaTile> conv2d_mma_tiles(Conv2dDirection direction);

}  // namespace engine::cuda
