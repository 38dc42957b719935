// conv2d for 9.0a: implicit GEMM of windows of x and filters by TMA and wgmma. m: pixels of y, n:
// filters, k: taps x channels.
#include <algorithm>
#include <cstdint>
#include <limits>

#include "engine/core/cuda/launch.h"
#include "engine/kernels/ceil_div.h"
#include "engine/kernels/conv2d_algorithms.h"
#include "engine/kernels/cuda/matmul_epilogue.h"
#include "engine/kernels/cuda/tensor_map.h"
#include "engine/kernels/cuda/wgmma_tile.h"

namespace engine::cuda {

// x is seen as [n, ih / stride_h, stride_h, iw / stride_w, stride_w * ic]: for each tap the pixels
// that a tile needs are a box of it, whose places outside of the image are read as zero. A tile has
// 128 pixels of y: 2^log_n images, 2^log_h rows, 2^log_w columns.
struct Conv2dWgmmaWork {
  int log_w, log_h, log_n;
  int n, oh, ow;
  int tiles_w, tiles_h, tiles;  // of pixels; `tiles` in all
  int columns;                  // tiles of filters
  int ic, kh, kw, chunks;       // chunks of 64 channels
  int padding_h, padding_w, dilation_h, dilation_w, stride_h, stride_w;

  __device__ int steps() const { return kh * kw * chunks; }

  struct Pixel {
    int image, h, w;
  };
  // The first pixel of a tile; outside of y where there is no such tile.
  __device__ Pixel first_pixel(int tile) const {
    const int row = tile / tiles_w;
    return {(row / tiles_h) << log_n, (row % tiles_h) << log_h, (tile % tiles_w) << log_w};
  }
  // The index of the tile's pixel `row` in y, or -1.
  __device__ int pixel_of(const Pixel& first, int row) const {
    const int w = first.w + (row & ((1 << log_w) - 1));
    const int h = first.h + ((row >> log_w) & ((1 << log_h) - 1));
    const int image = first.image + (row >> (log_w + log_h));
    return w < ow && h < oh && image < n ? (image * oh + h) * ow + w : -1;
  }
};

namespace {

// kCluster blocks, with neighbouring tiles of pixels, share the filters.
template <int kTileN, int kCluster_, int kStages>
struct Config {
  using Ring = WgmmaRing<kTileN, kStages>;
  static constexpr int kCluster = kCluster_;
};
using Config64 = Config<64, 1, 8>;  // 192 KiB each
using Config128 = Config<128, 1, 6>;
using Config256 = Config<256, 2, 4>;

// A tap's distance from the window's pixel, in strides and what is left.
struct TapOffset {
  int strides, rest;
  __device__ TapOffset(int distance, int stride) : strides(distance), rest(0) {
    if (stride == 1) return;
    strides = distance >= 0 ? distance / stride : -((stride - 1 - distance) / stride);
    rest = distance - strides * stride;
  }
};

#ifdef ENGINE_PTX_SM90

template <class C>
__device__ __forceinline__ void produce(const typename C::Ring& ring, const CUtensorMap& x,
                                        const CUtensorMap& w, const Conv2dWgmmaWork& work,
                                        int rank) {
  using Ring = typename C::Ring;
  constexpr int kShare = Ring::kTileN / C::kCluster;  // of the filters, by each block
  RingPosition<Ring> at;
  const int clusters = static_cast<int>(gridDim.x) / C::kCluster;
  const int items = (work.tiles + C::kCluster - 1) / C::kCluster * work.columns;
  const auto load = [&](const Conv2dWgmmaWork::Pixel& first, int filter, int r, const TapOffset& h,
                        int s) {
    const TapOffset v(s * work.dilation_w - work.padding_w, work.stride_w);
    for (int chunk = 0; chunk < work.chunks; ++chunk, ++at.index) {
      const int stage = open_stage(ring, at), channel = chunk * kWgmmaTerms;
      const std::uint32_t full = ring.full(stage);
      ptx::tma_load(ring.a(stage), &x, full, v.rest * work.ic + channel, first.w + v.strides,
                    h.rest, first.h + h.strides, first.image);
      if constexpr (C::kCluster == 1) {
        ptx::tma_load(ring.b(stage), &w, full, channel, s, r, filter);
      } else {
        const auto share = static_cast<std::uint32_t>(rank * kShare * kWgmmaLineBytes);
        ptx::tma_load_multicast(ring.b(stage) + share, &w, full,
                                std::uint16_t{(1 << C::kCluster) - 1}, channel, s, r, filter);
      }
    }
  };
  for (int i = static_cast<int>(blockIdx.x) / C::kCluster; i < items; i += clusters) {
    const auto first = work.first_pixel(i / work.columns * C::kCluster + rank);
    const int filter = i % work.columns * Ring::kTileN + rank * kShare;
    for (int r = 0; r < work.kh; ++r) {
      const TapOffset h(r * work.dilation_h - work.padding_h, work.stride_h);
      for (int s = 0; s < work.kw; ++s) load(first, filter, r, h, s);
    }
  }
}

template <class C>
__device__ __forceinline__ void consume(const typename C::Ring& ring, const MatmulOutput& output,
                                        const Conv2dWgmmaWork& work, int rank, int half) {
  RingPosition<typename C::Ring> at;
  const int clusters = static_cast<int>(gridDim.x) / C::kCluster;
  const int items = (work.tiles + C::kCluster - 1) / C::kCluster * work.columns;
  for (int i = static_cast<int>(blockIdx.x) / C::kCluster; i < items; i += clusters) {
    float d[C::Ring::kTileN / 2];
    multiply_stages<C::kCluster, true, true>(d, ring, at, work.steps(), half);
    const auto first = work.first_pixel(i / work.columns * C::kCluster + rank);
    const int column = i % work.columns * C::Ring::kTileN;
    for_each_wgmma_pair(d, [&](int row, int x, const float(&pair)[2]) {
      const int pixel = work.pixel_of(first, half * 64 + row);
      if (pixel >= 0) output.write(pair, 0, pixel, column + x);
    });
  }
}

#endif

// One thread of the first warpgroup loads, the other two warpgroups make 64 of the tile's 128
// pixels each, of C::Ring::kTileN filters, and write them from registers, while the next tile's
// stages arrive. Floor: 2 * taps * channels operations an output on the tensor cores; a step of 64
// channels reads 16 KiB of x and 128 bytes a filter, mostly from the L2 cache, as taps overlap.
template <class C>
__global__ void __launch_bounds__(kWgmmaThreads, 1)
    conv2d_wgmma_forward_kernel(const __grid_constant__ CUtensorMap x,
                                const __grid_constant__ CUtensorMap w,
                                const __grid_constant__ Conv2dWgmmaWork work,
                                const __grid_constant__ MatmulOutput output) {
#ifdef ENGINE_PTX_SM90
  ENGINE_DYNAMIC_SHARED(char, memory);
  const typename C::Ring ring{ptx::shared_address(memory)};
  const int rank = start_block<C::kCluster>(ring, x, w);
  run_warpgroups<C::kCluster>([&] { produce<C>(ring, x, w, work, rank); },
                              [&](int half) { consume<C>(ring, output, work, rank, half); });
#endif
}

// A convolution by one pixel is a product: all pixels are one row.
Conv2dProblem flattened(const Conv2dProblem& problem) {
  const Conv2dGeometry& g = problem.geometry;
  const bool is_product =
      problem.kh == 1 && problem.kw == 1 && g.stride == Extent2d(1) && g.padding == Extent2d(0);
  if (!is_product) return problem;
  Conv2dProblem flat = problem;
  flat.iw = flat.ow = problem.n * problem.oh * problem.ow;
  flat.n = flat.ih = flat.oh = 1;
  return flat;
}

// The 128 pixels of a tile so that as few tiles as possible cover y, and then as wide as possible.
void choose_pixels(const Conv2dProblem& p, Conv2dWgmmaWork& work) {
  std::int64_t fewest = std::numeric_limits<std::int64_t>::max();
  for (int log_w = 7; log_w >= 0; --log_w) {
    for (int log_h = 7 - log_w; log_h >= 0; --log_h) {
      const int log_n = 7 - log_w - log_h;
      const std::int64_t columns = ceil_div(p.ow, 1 << log_w), rows = ceil_div(p.oh, 1 << log_h);
      const std::int64_t tiles = columns * rows * ceil_div(p.n, 1 << log_n);
      if (tiles >= fewest) continue;
      fewest = tiles;
      work.log_w = log_w, work.log_h = log_h, work.log_n = log_n;
      work.tiles_w = static_cast<int>(columns);
      work.tiles_h = static_cast<int>(rows);
      work.tiles = static_cast<int>(tiles);
    }
  }
}

Conv2dWgmmaWork work_of(const Conv2dProblem& p, int tile_n) {
  const auto narrow = [](std::int64_t value) { return static_cast<int>(value); };
  const Conv2dGeometry& g = p.geometry;
  Conv2dWgmmaWork work = {.n = narrow(p.n),
                          .oh = narrow(p.oh),
                          .ow = narrow(p.ow),
                          .columns = narrow(ceil_div(p.oc, tile_n)),
                          .ic = narrow(p.ic),
                          .kh = narrow(p.kh),
                          .kw = narrow(p.kw),
                          .chunks = narrow(ceil_div(p.ic, kWgmmaTerms)),
                          .padding_h = narrow(g.padding.h),
                          .padding_w = narrow(g.padding.w),
                          .dilation_h = narrow(g.dilation.h),
                          .dilation_w = narrow(g.dilation.w),
                          .stride_h = narrow(g.stride.h),
                          .stride_w = narrow(g.stride.w)};
  choose_pixels(p, work);
  return work;
}

template <class C>
std::unique_ptr<Kernel> wgmma_kernel(const Conv2dPlan& plan, const PrepareContext& context) {
  const Conv2dProblem p = flattened(plan.problem);
  const Conv2dWgmmaWork work = work_of(p, C::Ring::kTileN);
  const Extent2d stride = p.geometry.stride;
  const TensorMapShape<5> x_shape{
      .sizes = {stride.w * p.ic, p.iw / stride.w, stride.h, p.ih / stride.h, p.n},
      .box = {kWgmmaTerms, 1 << work.log_w, 1, 1 << work.log_h, 1 << work.log_n}};
  const TensorMapShape<4> w_shape{.sizes = {p.ic, p.kw, p.kh, p.oc},
                                  .box = {kWgmmaTerms, 1, 1, C::Ring::kTileN / C::kCluster}};
  // As a product, for what happens to the sums.
  const MatmulProblem product{.m = p.n * p.oh * p.ow, .k = 1, .n = p.oc, .options = {}};
  const int items = static_cast<int>(ceil_div(work.tiles, C::kCluster)) * work.columns;
  const int clusters =
      std::min(items, std::max(gpu_of(context.device).multiprocessors / C::kCluster, 1));
  const LaunchConfig config{.grid = dim3(static_cast<unsigned>(clusters * C::kCluster)),
                            .block = dim3(kWgmmaThreads),
                            .shared_bytes = C::Ring::kSharedBytes,
                            .cluster = dim3(C::kCluster)};
  return make_kernel(
      [=, encode = TensorMapEncoder(), activation = plan.activation](const Stream& stream,
                                                                     const Buffers& buffers) {
        const auto output = matmul_output(product, activation, {}, DType::bf16, buffers);
        launch("conv2d_wgmma_forward_kernel", conv2d_wgmma_forward_kernel<C>, config,
               stream_of(stream), encode(buffers.inputs[0], x_shape),
               encode(buffers.inputs[1], w_shape), work, output);
      },
      0, join(plan.choice));
}

}  // namespace

std::unique_ptr<Kernel> prepare_conv2d_wgmma_forward(const Conv2dPlan& plan,
                                                     const PrepareContext& context) {
  if (plan.choice.tile_n == 64) return wgmma_kernel<Config64>(plan, context);
  if (plan.choice.tile_n == 128) return wgmma_kernel<Config128>(plan, context);
  return wgmma_kernel<Config256>(plan, context);
}

}  // namespace engine::cuda
