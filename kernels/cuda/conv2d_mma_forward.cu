// conv2d on the tensor cores of 8.x: implicit GEMM of windows of x and filters.
#include "engine/kernels/cuda/conv2d_mma.h"

namespace engine::cuda {

namespace {

// Filters [oc, terms]: lines along the terms.
template <class T, int kRows, int kThreads>
class FilterLoader : MmaLines<kRows, kThreads> {
  using Lines = MmaLines<kRows, kThreads>;

 public:
  // `filters` of `terms` elements each, from `w` on; copies those from first_row on.
  __device__ FilterLoader(const T* w, int filters, int terms, int first_row)
      : w_(w), terms_(terms) {
#pragma unroll
    for (int i = 0; i < Lines::kLines; ++i) {
      const int filter = first_row + Lines::line(i);
      base_[i] = filter < filters ? static_cast<std::int64_t>(filter) * terms : -1;
    }
  }
  __device__ __forceinline__ void load(std::uint32_t tile, int step) const {
    const int term = step * kMmaTerms<T> + Lines::chunk() * kMmaChunk<T>;
#pragma unroll
    for (int i = 0; i < Lines::kLines; ++i) {
      const bool is_inside = base_[i] >= 0 && term < terms_;
      ptx::cp_async_or_zero<16>(tile + mma_chunk<T, true>(Lines::line(i), Lines::chunk()),
                                is_inside ? w_ + base_[i] + term : w_, is_inside);
    }
  }

 private:
  const T* w_;
  int terms_;
  std::int64_t base_[Lines::kLines];
};

// A block makes C::kTileM pixels of C::kTileN channels of one group from a part of the terms.
// Floor: 2 * terms operations an output on the tensor cores; for each 64 terms (32 of tf32) a
// 128 x 128 tile reads 32 KiB of the L2 cache and, by its warps, 96 KiB of shared memory for
// 2 million operations (1 million).
template <class T, class C>
__global__ void __launch_bounds__(C::kThreads, C::kBlocks)
    conv2d_forward_mma_kernel(const __grid_constant__ Conv2dMap map, const T* x, const T* w,
                              MmaTarget target, std::int64_t split_stride) {
  ENGINE_DYNAMIC_SHARED(char, memory);
  const MmaBlock<C> block(map.group_oc);
  const int group = block.batch;
  const Windows<T> windows{.images = x + group * map.group_ic,
                           .h = map.ih,
                           .w = map.iw,
                           .channels = map.ic,
                           .taps = map.kh * map.kw,
                           .step_h = map.dilation_h,
                           .step_w = map.dilation_w,
                           .by_taps_w = map.by_kw,
                           .by_chunks = map.by_ic_chunks};
  const WindowLoader<T, C::kTileM, C::kThreads> a(
      windows, block.first_m, [&](int pixel) -> PixelPosition {
        if (pixel >= map.y_pixels) return {0, kNowhere, 0};
        const PixelPosition at = pixel_position(pixel, map.by_oh, map.by_ow);
        return {at.image, at.h * map.stride_h - map.padding_h, at.w * map.stride_w - map.padding_w};
      });
  const FilterLoader<T, C::kTileN, C::kThreads> b(
      w + static_cast<std::int64_t>(group) * map.group_oc * map.group_steps, map.group_oc,
      map.group_steps, block.first_n);

  const int steps = (map.group_steps + kMmaTerms<T> - 1) / kMmaTerms<T>;
  const int splits = static_cast<int>(gridDim.z);
  MmaSums<T, C::kWarpTileM, C::kWarpTileN> sums;
  multiply_steps<T, C, true, true>(sums, a, b, block.step_of(steps, block.split, splits),
                                   block.step_of(steps, block.split + 1, splits),
                                   ptx::shared_address(memory));

  if (target.partials != nullptr) target.partials += block.split * split_stride;
  if (target.bias != nullptr) target.bias += group * map.group_oc;
  store_tile<T, C>(sums, memory, target, block, [&](int pixel) -> std::int64_t {
    if (pixel >= map.y_pixels) return -1;
    return static_cast<std::int64_t>(pixel) * map.oc + group * map.group_oc;
  });
}

template <class T, class C>
std::unique_ptr<Kernel> forward_kernel(const Conv2dPlan& plan, const PrepareContext& context) {
  const Conv2dProducts products = conv2d_products(plan.direction, plan.problem);
  const MmaLaunch launched =
      mma_launch<T, C>(plan, context.outputs[0].dtype, products.m, products.count);
  return make_kernel(
      [=](const Stream& stream, const Buffers& buffers) {
        const Conv2dMap& map = launched.map;
        const bool is_aligned = map.oc % kMmaChunk<T> == 0 && map.group_oc % kMmaChunk<T> == 0;
        const MmaTarget target = mma_target(launched, map.group_oc, is_aligned, buffers);
        launch("conv2d_forward_mma_kernel", conv2d_forward_mma_kernel<T, C>, launched.config,
               stream_of(stream), map, buffers.in<T>(0), buffers.in<T>(1), target,
               launched.sum.count);
        finish_splits(stream, launched, target);
      },
      launched.sum.scratch_bytes(), join(plan.choice));
}

}  // namespace

std::unique_ptr<Kernel> prepare_conv2d_mma_forward(const Conv2dPlan& plan,
                                                   const PrepareContext& context) {
  const auto make = [&](auto type, auto config) {
    return forward_kernel<decltype(type), decltype(config)>(plan, context);
  };
  if (plan.choice.tile_n == 32) {
    return with_mma_type(context.inputs[0].dtype,
                         [&](auto type) { return make(type, MmaConfig128x32()); });
  }
  return with_mma_config(plan, context.inputs[0].dtype, make);
}

}  // namespace engine::cuda
