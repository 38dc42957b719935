// conv2d_backward_weights on the tensor cores of 8.x: dw [oc, (tap, channel)] is the product of dy,
// transposed, and the windows of x, summed over all output pixels.
#include "engine/kernels/cuda/conv2d_mma.h"

namespace engine::cuda {

namespace {

// dy [pixels, oc] as a matrix: a row is an output channel of the group, its terms are pixels. Lines
// along the rows.
template <class T, int kRows, int kThreads>
class GradientLoader : MmaRowLines<T, kRows, kThreads> {
  using Lines = MmaRowLines<T, kRows, kThreads>;

 public:
  __device__ GradientLoader(const T* dy, const Conv2dMap& map, int first_row)
      : dy_(dy),
        rows_(map.group_oc),
        channels_(map.oc),
        pixels_(map.y_pixels),
        first_row_(first_row) {}

  __device__ __forceinline__ void load(std::uint32_t tile, int step) const {
#pragma unroll
    for (int i = 0; i < Lines::kTerms; ++i) {
      const int pixel = step * kMmaTerms<T> + Lines::term(i);
      const T* from = dy_ + static_cast<std::int64_t>(pixel) * channels_;
#pragma unroll
      for (int part = 0; part < Lines::kParts; ++part) {
        const int row = first_row_ + Lines::row(part);
        const bool is_inside = row < rows_ && pixel < pixels_;
        ptx::cp_async_or_zero<16>(tile + Lines::place(part, i), is_inside ? from + row : dy_,
                                  is_inside);
      }
    }
  }

 private:
  const T* dy_;
  int rows_, channels_, pixels_, first_row_;
};

// x as a matrix: a row is a tap and a channel of the group, its terms are output pixels. Lines
// along the rows; a thread's row is the same in each step.
template <class T, int kRows, int kThreads>
class TapLoader : MmaRowLines<T, kRows, kThreads> {
  using Lines = MmaRowLines<T, kRows, kThreads>;

 public:
  __device__ TapLoader(const T* x, const Conv2dMap& map, int first_row) : x_(x), map_(map) {
    image_elements_ = static_cast<std::int64_t>(map.ih) * map.iw * map.ic;
#pragma unroll
    for (int part = 0; part < Lines::kParts; ++part) {
      const int row = first_row + Lines::row(part);
      const TapPosition at = tap_position(row, map.by_group_ic, map.by_kw);
      const bool exists = row < map.group_steps;
      h_[part] = exists ? at.h * map.dilation_h - map.padding_h : kNowhere;
      w_[part] = at.w * map.dilation_w - map.padding_w;
      channel_[part] = at.channel;
    }
  }

  __device__ __forceinline__ void load(std::uint32_t tile, int step) const {
#pragma unroll
    for (int i = 0; i < Lines::kTerms; ++i) {
      const int pixel = step * kMmaTerms<T> + Lines::term(i);
      const PixelPosition at = pixel_position(pixel, map_.by_oh, map_.by_ow);
      const T* image = x_ + at.image * image_elements_;
#pragma unroll
      for (int part = 0; part < Lines::kParts; ++part) {
        const int h = at.h * map_.stride_h + h_[part], w = at.w * map_.stride_w + w_[part];
        const bool is_inside =
            pixel < map_.y_pixels && is_within(h, map_.ih) && is_within(w, map_.iw);
        const T* from = is_inside ? image + ((h * map_.iw + w) * map_.ic + channel_[part]) : x_;
        ptx::cp_async_or_zero<16>(tile + Lines::place(part, i), from, is_inside);
      }
    }
  }

 private:
  const T* x_;
  const Conv2dMap& map_;
  int h_[Lines::kParts], w_[Lines::kParts], channel_[Lines::kParts];
  std::int64_t image_elements_;
};

// A block makes C::kTileM filters of C::kTileN (tap, channel) of one group from a part of the
// pixels. Floor: 2 * pixels operations an output on the tensor cores. x is read once a tap from the
// L2 cache; parts of the sums go through scratch, 8 bytes an output and part.
template <class T, class C>
__global__ void __launch_bounds__(C::kThreads, kMmaWordBlocks<T, C>)
    conv2d_backward_weights_mma_kernel(const __grid_constant__ Conv2dMap map, const T* x,
                                       const T* dy, MmaTarget target, std::int64_t split_stride) {
  ENGINE_DYNAMIC_SHARED(char, memory);
  const MmaBlock<C> block(map.group_steps);
  const int group = block.batch;
  const GradientLoader<T, C::kTileM, C::kThreads> a(dy + group * map.group_oc, map, block.first_m);
  const TapLoader<T, C::kTileN, C::kThreads> b(x + group * map.group_ic, map, block.first_n);

  const int steps = (map.y_pixels + kMmaTerms<T> - 1) / kMmaTerms<T>;
  const int splits = static_cast<int>(gridDim.z);
  MmaSums<T, C::kWarpTileM, C::kWarpTileN> sums;
  multiply_steps<T, C, false, false>(sums, a, b, block.step_of(steps, block.split, splits),
                                     block.step_of(steps, block.split + 1, splits),
                                     ptx::shared_address(memory));

  float* out = target.partials != nullptr ? target.partials + block.split * split_stride
                                          : static_cast<float*>(target.out);
  store_sums<C>(sums, out, target, block.first_m, block.first_n, [&](int row) -> std::int64_t {
    if (row >= map.group_oc) return -1;
    return (static_cast<std::int64_t>(group) * map.group_oc + row) * map.group_steps;
  });
}

template <class T, class C>
std::unique_ptr<Kernel> backward_weights_kernel(const Conv2dPlan& plan) {
  const Conv2dProducts products = conv2d_products(plan.direction, plan.problem);
  const MmaLaunch launched = mma_launch<T, C>(plan, DType::f32, products.m, products.count);
  return make_kernel(
      [=](const Stream& stream, const Buffers& buffers) {
        const MmaTarget target = mma_target(launched, launched.map.group_steps, true, buffers);
        launch("conv2d_backward_weights_mma_kernel", conv2d_backward_weights_mma_kernel<T, C>,
               launched.config, stream_of(stream), launched.map, buffers.in<T>(0), buffers.in<T>(1),
               target, launched.sum.count);
        finish_splits(stream, launched, target);
      },
      launched.sum.scratch_bytes(), join(plan.choice));
}

}  // namespace

std::unique_ptr<Kernel> prepare_conv2d_mma_backward_weights(const Conv2dPlan& plan,
                                                            const PrepareContext& context) {
  return with_mma_config(plan, context.inputs[0].dtype, [&](auto type, auto config) {
    return backward_weights_kernel<decltype(type), decltype(config)>(plan);
  });
}

}  // namespace engine::cuda
