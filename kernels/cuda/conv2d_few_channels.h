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
#include "engine/kernels/cuda/packs.h"
#include "engine/kernels/cuda/sum_parts.h"

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

// --- forward ---

template <class T>
struct FewChannelsEpilogue {
  const float* bias;  // or null
  T* y;
  Activation activation;
  bool is_aligned;  // kPackElements channels of y are a pack
};
template <class T>
FewChannelsEpilogue<T> few_channels_epilogue(const Conv2dPlan& plan, const Buffers& buffers) {
  T* y = buffers.out<T>(0);
  return {.bias = buffers.inputs.size() > 2 ? buffers.in<float>(2) : nullptr,
          .y = y,
          .activation = plan.activation,
          .is_aligned = fits_pack<T, kPackElements<T>>(y, plan.problem.oc)};
}

// Neighbouring channels of a pixel, those that exist.
template <class T>
__device__ void write_channels(const FewChannelsEpilogue<T>& out, int oc, std::int64_t pixel,
                               int channel, const float (&sums)[kPackElements<T>]) {
  float values[kPackElements<T>];
#pragma unroll
  for (int i = 0; i < kPackElements<T>; ++i) {
    const bool has_bias = out.bias != nullptr && channel + i < oc;
    values[i] = activate(sums[i] + (has_bias ? out.bias[channel + i] : 0.0f), out.activation);
  }
  store_pack(out.y + pixel * oc, channel, oc, out.is_aligned, values);
}

// --- gradients of the weights ---

// How the warps of a block share its work: `chunks` of them have different elements of the filters,
// and `splits` groups of those have different pixels.
struct FewChannelsShares {
  int chunks, splits;
};

// Adds the sums of the other splits to those of split 0, one after the other. A thread has kSums of
// them, sum(i); `shared` has room for those of one split.
template <int kSums, class Sum>
__device__ void add_splits(const FewChannelsShares& shares, int chunk, int split, float* shared,
                           const Sum& sum) {
  float* own = shared + chunk * 32 * kSums + threadIdx.x % 32;
  for (int other = 1; other < shares.splits; ++other) {
    __syncthreads();
#pragma unroll
    for (int i = 0; i < kSums; ++i) {
      if (split == other) own[32 * i] = sum(i);
    }
    __syncthreads();
#pragma unroll
    for (int i = 0; i < kSums; ++i) {
      if (split == 0) sum(i) += own[32 * i];
    }
  }
}

// What their kernels are launched with.
struct FewChannelsWork {
  Conv2dMap map;
  FewChannelsTiles tiles;
  FewChannelsShares shares;
  LaunchConfig config;
};

// run(work, stream, buffers, parts) launches blocks that leave sums in `parts`, one for each weight
// and block along x; these are then added up. kSums: of a thread.
template <int kSums, class Run>
std::unique_ptr<Kernel> few_channels_weights(const Conv2dPlan& plan, const PrepareContext& context,
                                             const FewChannelsShares& shares, int blocks_each,
                                             std::string_view description, const Run& run) {
  const FewChannelsPlan cut =
      few_channels_plan(plan.direction, plan.problem, context.inputs[0].dtype);
  const std::int64_t sums_bytes = shares.splits > 1 ? 4 * shares.chunks * 32 * kSums : 0;
  const LaunchConfig config{
      .grid = few_channels_grid(cut, plan, context, blocks_each),
      .block = dim3(static_cast<unsigned>(32 * shares.chunks * shares.splits)),
      .shared_bytes = static_cast<std::size_t>(std::max(cut.shared_bytes, sums_bytes))};
  const FewChannelsWork work{
      .map = conv2d_map(plan.problem), .tiles = cut.tiles, .shares = shares, .config = config};
  const std::int64_t count = plan.problem.oc * cut.tiles.steps;
  return make_kernel(
      [=](const Stream& stream, const Buffers& buffers) {
        auto* parts = static_cast<float*>(buffers.scratch);
        run(work, stream, buffers, parts);
        sum_parts(stream, parts, static_cast<int>(config.grid.x), count, buffers.out<float>(0));
      },
      std::int64_t{config.grid.x} * count * std::int64_t{sizeof(float)}, std::string(description));
}

// The parts of prepare_conv2d_few_channels().
std::unique_ptr<Kernel> prepare_few_channels_data(const Conv2dPlan& plan,
                                                  const PrepareContext& context);
std::unique_ptr<Kernel> prepare_few_channels_forward_f32(const Conv2dPlan& plan,
                                                         const PrepareContext& context);
std::unique_ptr<Kernel> prepare_few_channels_forward_bf16(const Conv2dPlan& plan,
                                                          const PrepareContext& context);
std::unique_ptr<Kernel> prepare_few_channels_weights_f32(const Conv2dPlan& plan,
                                                         const PrepareContext& context);
std::unique_ptr<Kernel> prepare_few_channels_weights_bf16(const Conv2dPlan& plan,
                                                          const PrepareContext& context);

}  // namespace engine::cuda
