#pragma once

#include "engine/core/dtype.h"
#include "engine/kernels/conv2d.h"
#include "engine/kernels/conv2d_choice.h"

// Which convolutions the CUDA kernels for special shapes take, and how they cut them up: pure
// functions, without CUDA.
namespace engine::cuda {

// --- few input channels: 1 to 4, one group, no dilation; f32 and bf16 ---

// Tiles are rectangles of output pixels. Under a tile lie `lines` lines of x with `line` elements
// each, zeros around the image included: a window is a run of kw * ic elements in each of kh lines.
struct FewChannelsTiles {
  int tile_h = 0, log_tile_w = 0;  // output pixels; the width is a power of two from 8 on
  int lines = 0, line = 0;
  int run = 0;    // kw * ic
  int steps = 0;  // kh * kw * ic
  int per_image_h = 0, per_image_w = 0;
  std::int64_t count = 0;  // of all images
};

// Of `pixels` output pixels each, of the shape that needs the fewest.
FewChannelsTiles few_channels_tiles(const Conv2dProblem& problem, int pixels);

// What a block of one of the kernels works on. The gradient of x has groups of four pixels of x for
// tiles, of which only the count is told, and takes that many output channels at a time.
struct FewChannelsPlan {
  FewChannelsTiles tiles;
  int channels = 0;  // of the output
  std::int64_t shared_bytes = 0;
};
FewChannelsPlan few_channels_plan(Conv2dDirection direction, const Conv2dProblem& problem,
                                  DType dtype);

bool few_channels_takes(Conv2dDirection direction, const Conv2dProblem& problem, DType dtype);

// --- depthwise: as many groups as input and output channels, no dilation; f32 and bf16 ---

bool depthwise_takes(const Conv2dProblem& problem, DType dtype);

}  // namespace engine::cuda
