// Convolutions of 1 to 4 input channels, the first layers of nets: forward in f32.
#include "engine/kernels/cuda/conv2d_few_channels.h"

namespace engine::cuda {

namespace {

constexpr int kThreads = 128;
constexpr int kPixels = 8;  // of a thread, in a row
constexpr int kGroups = 8;  // threads that share the channels of a pixel

// Channels of a block: kPacks packs of four for each of eight threads.
template <int kPacks>
constexpr int kChannels = 4 * kPacks* kGroups;
template <int kPacks>
constexpr int kFilterLine = kChannels<kPacks> + 4;  // floats; the 4 spread the filters over banks

// The filters [channel][step] of this block, as [step][channel]; zeros behind the last filter.
template <int kPacks>
__device__ void load_filters(const Conv2dMap& map, int steps, int first_channel, const float* w,
                             float* filters) {
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  for (int c = warp; c < kChannels<kPacks>; c += kThreads / 32) {
    const bool exists = first_channel + c < map.oc;
    const float* from = w + static_cast<std::int64_t>(first_channel + c) * steps;
    for (int step = lane; step < steps; step += 32) {
      filters[step * kFilterLine<kPacks> + c] = exists ? from[step] : 0.0f;
    }
  }
}

// Blocks along y have 64 (kPacks 2) or 32 channels each, and keep their filters in shared memory
// for all their tiles. In a tile of 128 pixels, eight neighbouring threads share eight pixels of a
// row, which lie as far apart as the row has eights, so that the four pixels that a warp reads at a
// time are neighbours, in different banks of shared memory, or lie in different rows. Each thread
// has packs of four channels that lie 32 apart: the eight write 128 bytes at a time.
// Floor: y written, and x read, once; 2 kh kw ic FLOP for each element of y. By arithmetic, with kh
// kw ic = 27 the FLOP take 0.7 of the time of the bytes on an H100 (67 TFLOP/s, 3.35 TB/s); from 40
// on they bound it. An element of a filter and of the windows cost 10 reads of shared memory for 64
// multiply-adds, 0.6 of the time of these.
template <int kPacks>
__global__ void __launch_bounds__(kThreads)
    conv2d_forward_few_channels_kernel(const __grid_constant__ Conv2dMap map,
                                       const __grid_constant__ FewChannelsTiles tiles,
                                       const float* x, const float* w,
                                       FewChannelsEpilogue<float> out) {
  ENGINE_DYNAMIC_SHARED(float, filters);
  float* lines = filters + tiles.steps * kFilterLine<kPacks>;
  const int first_channel = static_cast<int>(blockIdx.y) * kChannels<kPacks>;
  load_filters<kPacks>(map, tiles.steps, first_channel, w, filters);

  const int group = static_cast<int>(threadIdx.x) % kGroups;
  const int eights = tile_width(tiles) / kPixels;  // a power of two
  const int eight = static_cast<int>(threadIdx.x) / kGroups;
  const int row = eight >> (tiles.log_tile_w - 3), column = eight & (eights - 1);
  const int pixel_stride = eights * map.stride_w * map.ic;
  const float* window = lines + row * map.stride_h * tiles.line + column * map.stride_w * map.ic;
  for (int index = static_cast<int>(blockIdx.x); index < tiles.count;
       index += static_cast<int>(gridDim.x)) {
    const FewChannelsTile tile = few_channels_tile(tiles, index);
    __syncthreads();  // the last tile's lines have been read
    load_lines(map, tiles, tile, x, lines);
    __syncthreads();

    float sums[kPixels][4 * kPacks] = {};
    const float* filter = filters + 4 * group;
    for (int kh = 0; kh < map.kh; ++kh) {
      const float* from = window + kh * tiles.line;
#pragma unroll 2
      for (int i = 0; i < tiles.run; ++i, filter += kFilterLine<kPacks>) {
        float weights[4 * kPacks];
#pragma unroll
        for (int pack = 0; pack < kPacks; ++pack) {
          const auto four = *reinterpret_cast<const Pack<float, 4>*>(filter + 32 * pack);
#pragma unroll
          for (int k = 0; k < 4; ++k) weights[4 * pack + k] = four.values[k];
        }
#pragma unroll
        for (int p = 0; p < kPixels; ++p) {
          const float value = from[p * pixel_stride + i];
#pragma unroll
          for (int k = 0; k < 4 * kPacks; ++k) sums[p][k] = fmaf(value, weights[k], sums[p][k]);
        }
      }
    }

    const int oh = tile.oh + row, ow = tile.ow + column;
    if (oh >= map.oh) continue;
    const std::int64_t line_of_y = (static_cast<std::int64_t>(tile.image) * map.oh + oh) * map.ow;
#pragma unroll
    for (int p = 0; p < kPixels; ++p) {
      const int pixel = ow + p * eights;
      if (pixel >= map.ow) break;
#pragma unroll
      for (int pack = 0; pack < kPacks; ++pack) {
        float four[4];
#pragma unroll
        for (int k = 0; k < 4; ++k) four[k] = sums[p][4 * pack + k];
        write_channels(out, map.oc, line_of_y + pixel, first_channel + 32 * pack + 4 * group, four);
      }
    }
  }
}

template <int kPacks>
std::unique_ptr<Kernel> forward(const Conv2dPlan& plan, const FewChannelsPlan& cut,
                                const PrepareContext& context) {
  const Conv2dMap map = conv2d_map(plan.problem);
  const FewChannelsTiles tiles = cut.tiles;
  const LaunchConfig config{.grid = few_channels_grid(cut, plan, context, kPacks == 2 ? 4 : 6),
                            .block = dim3(kThreads),
                            .shared_bytes = static_cast<std::size_t>(cut.shared_bytes)};
  return make_kernel(
      [=](const Stream& stream, const Buffers& buffers) {
        launch("conv2d_forward_few_channels_kernel", conv2d_forward_few_channels_kernel<kPacks>,
               config, stream_of(stream), map, tiles, buffers.in<float>(0), buffers.in<float>(1),
               few_channels_epilogue<float>(plan, buffers));
      },
      0, "few channels");
}

}  // namespace

std::unique_ptr<Kernel> prepare_few_channels_forward_f32(const Conv2dPlan& plan,
                                                         const PrepareContext& context) {
  const FewChannelsPlan cut = few_channels_plan(plan.direction, plan.problem, DType::f32);
  return cut.channels == kChannels<2> ? forward<2>(plan, cut, context)
                                      : forward<1>(plan, cut, context);
}

std::unique_ptr<Kernel> prepare_conv2d_few_channels(const Conv2dPlan& plan,
                                                    const PrepareContext& context) {
  if (plan.direction == Conv2dDirection::backward_data) {
    return prepare_few_channels_data(plan, context);
  }
  const bool is_f32 = context.inputs[0].dtype == DType::f32;
  if (plan.direction == Conv2dDirection::backward_weights) {
    return is_f32 ? prepare_few_channels_weights_f32(plan, context)
                  : prepare_few_channels_weights_bf16(plan, context);
  }
  return is_f32 ? prepare_few_channels_forward_f32(plan, context)
                : prepare_few_channels_forward_bf16(plan, context);
}

}  // namespace engine::cuda
