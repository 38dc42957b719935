// Convolutions of 1 to 4 input channels, the first layers of nets: forward in bf16 on tensor cores.
#include "engine/core/cuda/launch.h"
#include "engine/kernels/cuda/conv2d_few_channels.h"
#include "engine/kernels/cuda/ptx/ldmatrix.h"
#include "engine/kernels/cuda/ptx/mma.h"

namespace engine::cuda {

namespace {

constexpr int kThreads = 128;
constexpr int kStep = 16;  // elements of a filter that one product takes

using Bits = std::uint16_t;  // of a bf16 number

// Elements of a filter in shared memory, rounded up to whole products, and of its line there: the
// 8 spread the filters over the banks.
__host__ __device__ constexpr int padded_steps(int steps) {
  return (steps + kStep - 1) / kStep * kStep;
}
__host__ __device__ constexpr int filter_line(int steps) {
  return padded_steps(steps) + 8;
}

// The channel, counted from the block's first, that column `n` of the block's kTiles products of 8
// columns makes. A thread of a product has columns 2t and 2t + 1 of each (t = lane % 4); with this
// order four of its products hold eight neighbouring channels.
__device__ int channel_of_column(int n) {
  const int tile = n / 8, column = n % 8;
  return tile / 4 * 32 + column / 2 * 8 + tile % 4 * 2 + column % 2;
}

template <int kTiles>
__device__ void load_filters(const Conv2dMap& map, int steps, int first_channel, const Bits* w,
                             Bits* filters) {
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  for (int n = warp; n < 8 * kTiles; n += kThreads / 32) {
    const int channel = first_channel + channel_of_column(n);
    const Bits* from = w + static_cast<std::int64_t>(channel) * steps;
    for (int step = lane; step < padded_steps(steps); step += 32) {
      filters[n * filter_line(steps) + step] =
          channel < map.oc && step < steps ? from[step] : Bits{0};
    }
  }
}

// Where the elements of a window lie, from its first on; -1 for those behind its last.
__device__ inline void load_offsets(const FewChannelsTiles& tiles, int* offsets) {
  for (int step = static_cast<int>(threadIdx.x); step < padded_steps(tiles.steps);
       step += kThreads) {
    const int kh = step / tiles.run;
    offsets[step] = step < tiles.steps ? kh * tiles.line + step - kh * tiles.run : -1;
  }
}

// Two neighbouring elements of the matrix of windows, for one pixel.
__device__ inline std::uint32_t window_pair(const Bits* window, int first, int second) {
  const std::uint32_t low = first < 0 ? 0 : window[first];
  const std::uint32_t high = second < 0 ? 0 : window[second];
  return low | high << 16;
}

// The sums of a thread: rows g and g + 8 of two products (g = lane / 4), two columns in each of
// kTiles.
template <int kTiles>
using Sums = float[2][kTiles][4];

template <int kTiles>
__device__ void multiply(const FewChannelsTiles& tiles, const Bits* filters, const int* offsets,
                         const Bits* const (&windows)[2][2], Sums<kTiles>& sums) {
  const int lane = static_cast<int>(threadIdx.x) % 32, t = lane % 4;
  // Lanes 8i to 8i + 7 give ldmatrix the lines of matrix i: two halves of a step for two tiles.
  const Bits* line =
      filters + (lane / 16 * 8 + lane % 8) * filter_line(tiles.steps) + lane / 8 % 2 * 8;
  const std::uint32_t row = ptx::shared_address(line);
  const int row_bytes = filter_line(tiles.steps) * static_cast<int>(sizeof(Bits));
  for (int step = 0; step < padded_steps(tiles.steps); step += kStep) {
    const int* at = offsets + step + 2 * t;
    const int o0 = at[0], o1 = at[1], o8 = at[8], o9 = at[9];
    std::uint32_t a[2][4];
#pragma unroll
    for (int m = 0; m < 2; ++m) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        a[m][half] = window_pair(windows[m][half], o0, o1);
        a[m][half + 2] = window_pair(windows[m][half], o8, o9);
      }
    }
#pragma unroll
    for (int tile = 0; tile < kTiles; tile += 2) {
      std::uint32_t b[4];
      ptx::ldmatrix(b, row + tile * 8 * row_bytes + step * static_cast<int>(sizeof(Bits)));
      const std::uint32_t left[2] = {b[0], b[1]}, right[2] = {b[2], b[3]};
#pragma unroll
      for (int m = 0; m < 2; ++m) {
        ptx::mma_m16n8k16_bf16(sums[m][tile], a[m], left);
        ptx::mma_m16n8k16_bf16(sums[m][tile + 1], a[m], right);
      }
    }
  }
}

// Blocks along y have 8 kTiles channels each, and keep their filters in shared memory for all their
// tiles. A warp has 32 of its 128 pixels, the rows of two products; the matrix of windows is never
// stored: a thread reads its elements from the lines of x, each for kTiles products. Floor: y
// written, and x read, once. By arithmetic bound by that as long as kh kw ic, rounded up to 16,
// stays below about 160: for 32 pixels, 64 channels and 16 elements, shared memory moves 16 reads
// of windows and 16 of filters, 32 cycles, for 4096 bytes of y.
template <int kTiles>
__global__ void __launch_bounds__(kThreads)
    conv2d_forward_few_channels_mma_kernel(const __grid_constant__ Conv2dMap map,
                                           const __grid_constant__ FewChannelsTiles tiles,
                                           const __nv_bfloat16* x, const Bits* w,
                                           FewChannelsEpilogue<__nv_bfloat16> out) {
  ENGINE_DYNAMIC_SHARED(Bits, filters);
  int* offsets = reinterpret_cast<int*>(filters + 8 * kTiles * filter_line(tiles.steps));
  Bits* lines = reinterpret_cast<Bits*>(offsets + padded_steps(tiles.steps));
  const int first_channel = static_cast<int>(blockIdx.y) * 8 * kTiles;
  load_filters<kTiles>(map, tiles.steps, first_channel, w, filters);
  load_offsets(tiles, offsets);

  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int g = lane / 4, t = lane % 4;
  for (int index = static_cast<int>(blockIdx.x); index < tiles.count;
       index += static_cast<int>(gridDim.x)) {
    const FewChannelsTile tile = few_channels_tile(tiles, index);
    __syncthreads();  // the last tile's lines have been read
    load_lines(map, tiles, tile, x, reinterpret_cast<__nv_bfloat16*>(lines));
    __syncthreads();

    const Bits* windows[2][2];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int pixel = 32 * warp + 8 * i + g;
      windows[i / 2][i % 2] = lines + (pixel >> tiles.log_tile_w) * map.stride_h * tiles.line +
                              (pixel & (tile_width(tiles) - 1)) * map.stride_w * map.ic;
    }
    Sums<kTiles> sums = {};
    multiply<kTiles>(tiles, filters, offsets, windows, sums);

#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int pixel = 32 * warp + 8 * i + g;
      const int oh = tile.oh + (pixel >> tiles.log_tile_w);
      const int ow = tile.ow + (pixel & (tile_width(tiles) - 1));
      if (oh >= map.oh || ow >= map.ow) continue;
      const std::int64_t at = (static_cast<std::int64_t>(tile.image) * map.oh + oh) * map.ow + ow;
#pragma unroll
      for (int four = 0; four < kTiles; four += 4) {
        float eight[8];
#pragma unroll
        for (int k = 0; k < 8; ++k) eight[k] = sums[i / 2][four + k / 2][i % 2 * 2 + k % 2];
        write_channels(out, map.oc, at, first_channel + 8 * four + 8 * t, eight);
      }
    }
  }
}

template <int kTiles>
std::unique_ptr<Kernel> forward(const Conv2dPlan& plan, const FewChannelsPlan& cut,
                                const PrepareContext& context) {
  const Conv2dMap map = conv2d_map(plan.problem);
  const FewChannelsTiles tiles = cut.tiles;
  const LaunchConfig config{.grid = few_channels_grid(cut, plan, context, kTiles == 8 ? 4 : 6),
                            .block = dim3(kThreads),
                            .shared_bytes = static_cast<std::size_t>(cut.shared_bytes)};
  return make_kernel(
      [=](const Stream& stream, const Buffers& buffers) {
        launch("conv2d_forward_few_channels_mma_kernel",
               conv2d_forward_few_channels_mma_kernel<kTiles>, config, stream_of(stream), map,
               tiles, buffers.in<__nv_bfloat16>(0), buffers.in<Bits>(1),
               few_channels_epilogue<__nv_bfloat16>(plan, buffers));
      },
      0, "few channels, tensor cores");
}

}  // namespace

std::unique_ptr<Kernel> prepare_few_channels_forward_bf16(const Conv2dPlan& plan,
                                                          const PrepareContext& context) {
  const FewChannelsPlan cut = few_channels_plan(plan.direction, plan.problem, DType::bf16);
  return cut.channels == 64 ? forward<8>(plan, cut, context) : forward<4>(plan, cut, context);
}

}  // namespace engine::cuda
