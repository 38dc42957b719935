// Convolutions of 1 to 4 input channels: the gradient of the weights, from bf16 on tensor cores.
#include "engine/kernels/cuda/conv2d_few_channels.h"
#include "engine/kernels/cuda/ptx/ldmatrix.h"
#include "engine/kernels/cuda/ptx/mma.h"

namespace engine::cuda {

namespace {

constexpr int kTilePixels = 64;
constexpr int kChannels = 64;         // of a block: eight products of 8 columns
constexpr int kLine = kChannels + 8;  // of dy in shared memory; the 8 spread pixels over the banks
constexpr int kWarpSteps = 32;        // elements of a filter: two products of 16 rows
constexpr int kStep = 16;             // pixels that one product takes
constexpr int kMostWarps = 5;
constexpr int kBlocksEach = 4;  // a multiprocessor

using Bits = std::uint16_t;  // of a bf16 number
using Sums = float[2][8][4];
constexpr int kSums = 64;  // of a thread

FewChannelsShares shares_of(int steps) {
  const int chunks = (steps + kWarpSteps - 1) / kWarpSteps;
  return {chunks, chunks == 1 ? 4 : chunks == 2 ? 2 : 1};
}

// dy of the tile's pixels [pixel][channel], by all threads, eight channels at a time; zeros where
// there is no pixel or no channel.
__device__ void load_slopes(const Conv2dMap& map, const FewChannelsTiles& tiles,
                            const FewChannelsTile& tile, int first_channel, bool is_aligned,
                            const Bits* dy, Bits* slopes) {
  constexpr int kPacks = kChannels / 8;
#pragma unroll 4
  for (int i = static_cast<int>(threadIdx.x); i < kTilePixels * kPacks;
       i += static_cast<int>(blockDim.x)) {
    const int pixel = i / kPacks, channel = first_channel + i % kPacks * 8;
    const int oh = tile.oh + (pixel >> tiles.log_tile_w);
    const int ow = tile.ow + (pixel & (tile_width(tiles) - 1));
    Pack<Bits, 8> pack = {};
    if (oh < map.oh && ow < map.ow && channel < map.oc) {
      const Bits* from =
          dy + ((static_cast<std::int64_t>(tile.image) * map.oh + oh) * map.ow + ow) * map.oc +
          channel;
      if (is_aligned) {
        pack = *reinterpret_cast<const Pack<Bits, 8>*>(from);
      } else {
#pragma unroll
        for (int k = 0; k < 8; ++k) {
          if (channel + k < map.oc) pack.values[k] = from[k];
        }
      }
    }
    *reinterpret_cast<Pack<Bits, 8>*>(slopes + pixel * kLine + i % kPacks * 8) = pack;
  }
}

// The same element of the windows of two pixels; null where there is no pixel, as x may hold a NaN
// there, which even a dy of 0 would not silence.
__device__ inline std::uint32_t pixel_pair(const Bits* first, const Bits* second, int offset) {
  const std::uint32_t low = first == nullptr ? 0 : first[offset];
  const std::uint32_t high = second == nullptr ? 0 : second[offset];
  return low | high << 16;
}

// Adds the products of 16 pixels. `offsets`: of the elements that the thread's four rows stand for.
__device__ void multiply(const Bits* const (&windows)[4], const int (&offsets)[4],
                         std::uint32_t slopes, Sums& sums) {
  std::uint32_t a[2][4];
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    const int pair = i / 2 % 2 * 2;
    a[i / 4][i % 4] = pixel_pair(windows[pair], windows[pair + 1], offsets[i / 4 * 2 + i % 2]);
  }
#pragma unroll
  for (int tile = 0; tile < 8; tile += 2) {
    std::uint32_t b[4];
    ptx::ldmatrix_transposed(b, slopes + tile * 8 * static_cast<int>(sizeof(Bits)));
    const std::uint32_t left[2] = {b[0], b[1]}, right[2] = {b[2], b[3]};
#pragma unroll
    for (int m = 0; m < 2; ++m) {
      ptx::mma_m16n8k16_bf16(sums[m][tile], a[m], left);
      ptx::mma_m16n8k16_bf16(sums[m][tile + 1], a[m], right);
    }
  }
}

// Blocks along y have 64 output channels each. The products' rows are elements of the filters, 32
// for a warp, their columns channels, and they sum over pixels, 16 at a time: a block's tiles of
// 64, whose dy and part of x lie in shared memory. The matrix of windows is never stored. Each
// block makes sums over its tiles; sum_parts() adds the blocks'. Floor: dy and x read once. Bound
// by that, by arithmetic, up to kh kw ic of about 160: for 16 pixels, shared memory moves 16 reads
// of windows and 16 of dy for each 32 elements, 32 cycles for 2048 bytes of dy.
__global__ void __launch_bounds__(32 * kMostWarps)
    conv2d_backward_weights_few_channels_mma_kernel(const __grid_constant__ Conv2dMap map,
                                                    const __grid_constant__ FewChannelsTiles tiles,
                                                    FewChannelsShares shares,
                                                    const __nv_bfloat16* x, const Bits* dy,
                                                    bool is_aligned, float* parts) {
  ENGINE_DYNAMIC_SHARED(Bits, slopes);
  Bits* lines = slopes + kTilePixels * kLine;
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int chunk = warp % shares.chunks, split = warp / shares.chunks;
  const int g = lane / 4, t = lane % 4;
  const int first_step = chunk * kWarpSteps + g;
  const int first_channel = static_cast<int>(blockIdx.y) * kChannels;
  int offsets[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const int step = first_step + 8 * i, kh = step / tiles.run;
    offsets[i] = step < tiles.steps ? kh * tiles.line + step - kh * tiles.run : 0;
  }
  // Lanes 8i to 8i + 7 give ldmatrix the pixels of matrix i: two halves of a step for two tiles.
  const std::uint32_t slope_row =
      ptx::shared_address(slopes + (lane / 8 % 2 * 8 + lane % 8) * kLine + lane / 16 * 8);

  Sums sums = {};
  for (int index = static_cast<int>(blockIdx.x); index < tiles.count;
       index += static_cast<int>(gridDim.x)) {
    const FewChannelsTile tile = few_channels_tile(tiles, index);
    __syncthreads();  // the last tile has been read
    load_slopes(map, tiles, tile, first_channel, is_aligned, dy, slopes);
    load_lines(map, tiles, tile, x, reinterpret_cast<__nv_bfloat16*>(lines));
    __syncthreads();
    for (int first = split * kStep; first < kTilePixels; first += shares.splits * kStep) {
      const Bits* windows[4];
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int pixel = first + 2 * t + i % 2 + i / 2 * 8;
        const int row = pixel >> tiles.log_tile_w, column = pixel & (tile_width(tiles) - 1);
        const bool exists = tile.oh + row < map.oh && tile.ow + column < map.ow;
        windows[i] = exists
                         ? lines + row * map.stride_h * tiles.line + column * map.stride_w * map.ic
                         : nullptr;
      }
      multiply(windows, offsets, slope_row + first * kLine * static_cast<int>(sizeof(Bits)), sums);
    }
  }
  add_splits<kSums>(shares, chunk, split, reinterpret_cast<float*>(slopes),
                    [&](int i) -> float& { return sums[i / 32][i / 4 % 8][i % 4]; });
  if (split != 0) return;
  float* to = parts + static_cast<std::int64_t>(blockIdx.x) * map.oc * tiles.steps;
#pragma unroll
  for (int i = 0; i < 64; ++i) {
    const int step = first_step + i / 32 * 16 + i % 4 / 2 * 8;
    const int channel = first_channel + i / 4 % 8 * 8 + 2 * t + i % 2;
    if (channel < map.oc && step < tiles.steps) {
      to[channel * tiles.steps + step] = sums[i / 32][i / 4 % 8][i % 4];
    }
  }
}

}  // namespace

std::unique_ptr<Kernel> prepare_few_channels_weights_bf16(const Conv2dPlan& plan,
                                                          const PrepareContext& context) {
  const std::int64_t steps = plan.problem.kh * plan.problem.kw * plan.problem.ic;
  return few_channels_weights<kSums>(
      plan, context, shares_of(static_cast<int>(steps)), kBlocksEach, "few channels, tensor cores",
      [](const FewChannelsWork& work, const Stream& stream, const Buffers& buffers, float* parts) {
        const Bits* dy = buffers.in<Bits>(1);
        ENGINE_LAUNCH(conv2d_backward_weights_few_channels_mma_kernel, work.config,
                      stream_of(stream), work.map, work.tiles, work.shares,
                      buffers.in<__nv_bfloat16>(0), dy, (fits_pack<Bits, 8>(dy, work.map.oc)),
                      parts);
      });
}

}  // namespace engine::cuda
