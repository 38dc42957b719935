// Convolutions of 1 to 4 input channels: the gradient of the weights in f32.
#include "engine/kernels/cuda/conv2d_few_channels.h"

namespace engine::cuda {

namespace {

constexpr int kTilePixels = 64;
constexpr int kChannels = 64;  // of a block
constexpr int kSteps = 7;      // elements of a filter that a thread has
constexpr int kWarpSteps = 4 * kSteps;
constexpr int kSums = kSteps * 8;  // of a thread
constexpr int kMostWarps = 16;
constexpr int kWarps = 8;       // at least, where the filters are short
constexpr int kBlocksEach = 2;  // a multiprocessor

FewChannelsShares shares_of(int steps) {
  const int chunks = (steps + kWarpSteps - 1) / kWarpSteps;
  return {chunks, std::max(kWarps / chunks, 1)};
}

// dy of the tile's pixels [pixel][channel], by all threads; a warp reads a pixel at a time.
__device__ void load_slopes(const Conv2dMap& map, const FewChannelsTiles& tiles,
                            const FewChannelsTile& tile, int first_channel, const float* dy,
                            float* slopes) {
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  for (int pixel = warp; pixel < kTilePixels; pixel += static_cast<int>(blockDim.x) / 32) {
    const int oh = tile.oh + (pixel >> tiles.log_tile_w);
    const int ow = tile.ow + (pixel & (tile_width(tiles) - 1));
    if (oh >= map.oh || ow >= map.ow) continue;  // is not read
    const float* from =
        dy + ((static_cast<std::int64_t>(tile.image) * map.oh + oh) * map.ow + ow) * map.oc;
#pragma unroll
    for (int i = lane; i < kChannels; i += 32) {
      const int channel = first_channel + i;
      slopes[pixel * kChannels + i] = channel < map.oc ? from[channel] : 0.0f;
    }
  }
}

// Blocks along y have 64 output channels each. A warp has 28 elements of each filter: eight threads
// lie along the channels, with two packs of four each, and four along the elements, with seven. It
// walks over the pixels of the tile, whose dy and part of x lie in shared memory.
// Each block makes sums over its tiles; sum_parts() adds the blocks'.
// Floor: dy and x read once, 2 kh kw ic FLOP for each element of dy. By arithmetic, with kh kw ic =
// 27 the FLOP take as long as the bytes of bf16 on an H100, and 0.7 of the time of those of f32;
// from 40 on they bound f32 too. A pixel costs 9 reads of shared memory for 56 multiply-adds.
__global__ void __launch_bounds__(32 * kMostWarps)
    conv2d_backward_weights_few_channels_kernel(const __grid_constant__ Conv2dMap map,
                                                const __grid_constant__ FewChannelsTiles tiles,
                                                FewChannelsShares shares, const float* x,
                                                const float* dy, float* parts) {
  ENGINE_DYNAMIC_SHARED(float, slopes);
  float* lines = slopes + kTilePixels * kChannels;
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int chunk = warp % shares.chunks, split = warp / shares.chunks;
  const int group = lane % 8, first_step = chunk * kWarpSteps + lane / 8 * kSteps;
  const int first_channel = static_cast<int>(blockIdx.y) * kChannels;
  const int pixel_stride = map.stride_w * map.ic;
  int offsets[kSteps];
#pragma unroll
  for (int i = 0; i < kSteps; ++i) {
    const int step = first_step + i, kh = step / tiles.run;
    offsets[i] = step < tiles.steps ? kh * tiles.line + step - kh * tiles.run : 0;
  }

  float sums[kSteps][8] = {};
  for (int index = static_cast<int>(blockIdx.x); index < tiles.count;
       index += static_cast<int>(gridDim.x)) {
    const FewChannelsTile tile = few_channels_tile(tiles, index);
    __syncthreads();  // the last tile has been read
    load_lines(map, tiles, tile, x, lines);
    load_slopes(map, tiles, tile, first_channel, dy, slopes);
    __syncthreads();
    const int rows = min(tiles.tile_h, map.oh - tile.oh);
    const int columns = min(tile_width(tiles), map.ow - tile.ow);
    for (int row = 0; row < rows; ++row) {
      for (int column = split; column < columns; column += shares.splits) {
        const float* slope = slopes + ((row << tiles.log_tile_w) + column) * kChannels + 4 * group;
        const float* window = lines + row * map.stride_h * tiles.line + column * pixel_stride;
        const auto left = *reinterpret_cast<const Pack<float, 4>*>(slope);
        const auto right = *reinterpret_cast<const Pack<float, 4>*>(slope + 32);
#pragma unroll
        for (int i = 0; i < kSteps; ++i) {
          const float value = window[offsets[i]];
#pragma unroll
          for (int k = 0; k < 4; ++k) {
            sums[i][k] = fmaf(value, left.values[k], sums[i][k]);
            sums[i][4 + k] = fmaf(value, right.values[k], sums[i][4 + k]);
          }
        }
      }
    }
  }
  add_splits<kSums>(shares, chunk, split, slopes,
                    [&](int i) -> float& { return sums[i / 8][i % 8]; });
  if (split != 0) return;
  float* to = parts + static_cast<std::int64_t>(blockIdx.x) * map.oc * tiles.steps;
#pragma unroll
  for (int k = 0; k < 8; ++k) {
    const int channel = first_channel + 4 * group + k / 4 * 32 + k % 4;
#pragma unroll
    for (int i = 0; i < kSteps; ++i) {
      const int step = first_step + i;
      if (channel < map.oc && step < tiles.steps) to[channel * tiles.steps + step] = sums[i][k];
    }
  }
}

}  // namespace

std::unique_ptr<Kernel> prepare_few_channels_weights_f32(const Conv2dPlan& plan,
                                                         const PrepareContext& context) {
  const std::int64_t steps = plan.problem.kh * plan.problem.kw * plan.problem.ic;
  return few_channels_weights<kSums>(
      plan, context, shares_of(static_cast<int>(steps)), kBlocksEach, "few channels",
      [](const FewChannelsWork& work, const Stream& stream, const Buffers& buffers, float* parts) {
        ENGINE_LAUNCH(conv2d_backward_weights_few_channels_kernel, work.config, stream_of(stream),
                      work.map, work.tiles, work.shares, buffers.in<float>(0), buffers.in<float>(1),
                      parts);
      });
}

}  // namespace engine::cuda
