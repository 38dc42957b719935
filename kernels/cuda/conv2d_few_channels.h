#pragma once

// What the kernels for convolutions of 1 to 4 input channels share. A block makes tiles of output
// pixels (kernels/conv2d_special.h), each of one image, with the lines under it in shared memory.
#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "engine/core/cuda/device_code.h"
#include "engine/core/cuda/launch.h"
#include "engine/kernels/conv2d_algorithms.h"
#include "engine/kernels/conv2d_special.h"
#include "engine/kernels/cuda/conv2d_map.h"

namespace engine::cuda {

__device__ inline int tile_width(const FewChannelsTiles& tiles) {
  return 1 << tiles.log_tile_w;
}

// The first output pixel of a tile.
struct FewChannelsTile {
  int image, oh, ow;
};
__device__ inline FewChannelsTile few_channels_tile(const FewChannelsTiles& tiles, int index) {
  const int row = index / tiles.per_image_w, image = row / tiles.per_image_h;
  return {image, (row - image * tiles.per_image_h) * tiles.tile_h,
          (index - row * tiles.per_image_w) << tiles.log_tile_w};
}

// The part of x under a tile, by all threads of the block. A warp reads a line at a time.
template <class T, class Stored>
__device__ void load_lines(const Conv2dMap& map, const FewChannelsTiles& tiles,
                           const FewChannelsTile& tile, const T* x, Stored* lines) {
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int first_row = tile.oh * map.stride_h - map.padding_h;
  const int first = (tile.ow * map.stride_w - map.padding_w) * map.ic, end = map.iw * map.ic;
  for (int row = warp; row < tiles.lines; row += static_cast<int>(blockDim.x) / 32) {
    const int ih = first_row + row;
    const bool is_inside = is_within(ih, map.ih);
    const T* from = x + (static_cast<std::int64_t>(tile.image) * map.ih + ih) * end;
#pragma unroll 2
    for (int i = lane; i < tiles.line; i += 32) {
      const T value = is_inside && is_within(first + i, end) ? from[first + i] : store<T>(0.0f);
      if constexpr (std::is_same_v<T, Stored>) {
        lines[row * tiles.line + i] = value;
      } else {
        lines[row * tiles.line + i] = load(value);
      }
    }
  }
}

// Blocks along x stay, each with its share of the tiles: so many that `blocks_each` are on each
// multiprocessor, and no more, since each loads the filters first, or leaves sums of its own; along
// y they have different channels.
inline dim3 few_channels_grid(const FewChannelsPlan& cut, const Conv2dPlan& plan,
                              const PrepareContext& context, int blocks_each) {
  const unsigned channel_blocks = blocks_for(plan.problem.oc, cut.channels);
  const std::int64_t most = std::int64_t{gpu_of(context.device).multiprocessors} * blocks_each /
                            std::max(channel_blocks, 1u);
  const std::int64_t blocks = std::min(cut.tiles.count, most);
  return dim3(static_cast<unsigned>(std::max<std::int64_t>(blocks, 1)), channel_blocks);
}

// The parts of prepare_conv2d_few_channels().
std::unique_ptr<Kernel> prepare_few_channels_forward_f32(const Conv2dPlan& plan,
                                                         const PrepareContext& context);
std::unique_ptr<Kernel> prepare_few_channels_forward_bf16(const Conv2dPlan& plan,
                                                          const PrepareContext& context);
std::unique_ptr<Kernel> prepare_few_channels_weights_f32(const Conv2dPlan& plan,
                                                         const PrepareContext& context);
std::unique_ptr<Kernel> prepare_few_channels_weights_bf16(const Conv2dPlan& plan,
                                                          const PrepareContext& context);

}  // namespace engine::cuda
