// conv2d_backward_data on the tensor cores of 8.x.
//
// Along each axis i + padding = stride * o + dilation * tap ties an input pixel i to an output
// pixel o. With a stride the input pixels fall into `stride` phases, (i + padding) % stride, each
// of which meets taps of its own only: every stride / gcd(stride, dilation)-th one, from the first
// with dilation * tap % stride == phase on. For the pixels of one phase,
//   i = stride * a + phase - padding  and  tap = first + every * j,
// o = a - shift - step * j: an implicit GEMM without gaps, which a block makes a tile of. Phases
// that no tap meets give zeros.
#include <numeric>

#include "engine/kernels/cuda/conv2d_mma.h"

namespace engine::cuda {

namespace {

// The constants of one axis.
struct PhaseAxis {
  int in, stride, padding, dilation, kernel;
  int every, step;  // from one tap of a phase to the next, in taps and in output pixels
};

// Pixels and taps of a phase along one axis.
struct Phase {
  int first_pixel;  // of the input; further ones are `stride` apart
  int pixels;
  int origin;  // of the output: what the first pixel meets with the first tap
  int first_tap, taps;

  __device__ Phase(const PhaseAxis& axis, int phase) {
    const int skipped = max(0, (axis.padding - phase + axis.stride - 1) / axis.stride);
    first_pixel = axis.stride * skipped + phase - axis.padding;
    pixels = first_pixel < axis.in ? (axis.in - first_pixel - 1) / axis.stride + 1 : 0;
    first_tap = 0;
    while (first_tap < axis.every && first_tap * axis.dilation % axis.stride != phase) ++first_tap;
    const bool is_met = first_tap < axis.every && first_tap < axis.kernel;
    taps = is_met ? (axis.kernel - first_tap - 1) / axis.every + 1 : 0;
    origin = is_met ? skipped - (first_tap * axis.dilation - phase) / axis.stride : 0;
  }
};

// w [oc, kh, kw, ic] as a matrix: a row is an input channel, its terms are (tap of the phase,
// output channel). Lines along the rows.
template <class T>
struct PhaseFilters {
  const T* w;  // at the group's first filter
  int terms, group_ic, group_steps, kw;
  int first_h, first_w, every_h, every_w;
  FastDivisor by_taps_w, by_group_oc;
};

template <class T, int kRows, int kThreads>
class PhaseFilterLoader : MmaRowLines<T, kRows, kThreads> {
  using Lines = MmaRowLines<T, kRows, kThreads>;

 public:
  __device__ PhaseFilterLoader(const PhaseFilters<T>& filters, int first_row)
      : filters_(filters), first_row_(first_row) {}

  __device__ __forceinline__ void load(std::uint32_t tile, int step) const {
#pragma unroll
    for (int i = 0; i < Lines::kTerms; ++i) {
      const int term = step * kMmaTerms<T> + Lines::term(i);
      const TapPosition at = tap_position(term, filters_.by_group_oc, filters_.by_taps_w);
      const int tap = (filters_.first_h + at.h * filters_.every_h) * filters_.kw +
                      filters_.first_w + at.w * filters_.every_w;
      const T* from = filters_.w + at.channel * filters_.group_steps + tap * filters_.group_ic;
#pragma unroll
      for (int part = 0; part < Lines::kParts; ++part) {
        const int row = first_row_ + Lines::row(part);
        const bool is_inside = row < filters_.group_ic && term < filters_.terms;
        ptx::cp_async_or_zero<16>(tile + Lines::place(part, i), is_inside ? from + row : filters_.w,
                                  is_inside);
      }
    }
  }

 private:
  PhaseFilters<T> filters_;
  int first_row_;
};

// A block makes C::kTileM input pixels of one phase, C::kTileN channels of one group, from a part
// of the terms. Floor: as conv2d_forward_mma_kernel; a phase does its share of the taps only, so
// that the operations are those of the forward pass whatever the stride.
template <class T, class C>
__global__ void __launch_bounds__(C::kThreads, kMmaWordBlocks<T, C>)
    conv2d_backward_data_mma_kernel(const __grid_constant__ Conv2dMap map, PhaseAxis axis_h,
                                    PhaseAxis axis_w, const T* dy, const T* w, MmaTarget target,
                                    std::int64_t split_stride) {
  ENGINE_DYNAMIC_SHARED(char, memory);
  const MmaBlock<C> block(map.group_ic);
  const int phases = axis_h.stride * axis_w.stride;
  const int group = block.batch / phases, phase = block.batch % phases;
  const Phase phase_h(axis_h, phase / axis_w.stride), phase_w(axis_w, phase % axis_w.stride);
  const int pixels = map.n * phase_h.pixels * phase_w.pixels;
  if (block.first_m >= pixels) return;  // the whole block: other phases have more

  // With stride 1 the phase is all there is, and the map has its divisors.
  const FastDivisor by_h = axis_h.stride == 1 ? map.by_ih : FastDivisor(phase_h.pixels);
  const FastDivisor by_w = axis_w.stride == 1 ? map.by_iw : FastDivisor(phase_w.pixels);
  const FastDivisor by_taps_w = axis_w.stride == 1 ? map.by_kw : FastDivisor(max(phase_w.taps, 1));
  const Windows<T> windows{.images = dy + group * map.group_oc,
                           .h = map.oh,
                           .w = map.ow,
                           .channels = map.oc,
                           .taps = phase_h.taps * phase_w.taps,
                           .step_h = -axis_h.step,
                           .step_w = -axis_w.step,
                           .by_taps_w = by_taps_w,
                           .by_chunks = map.by_oc_chunks};
  const WindowLoader<T, C::kTileM, C::kThreads> a(
      windows, block.first_m, [&](int pixel) -> PixelPosition {
        if (pixel >= pixels) return {0, kNowhere, 0};
        const PixelPosition at = pixel_position(pixel, by_h, by_w);
        return {at.image, at.h + phase_h.origin, at.w + phase_w.origin};
      });
  const PhaseFilters<T> filters{
      .w = w + static_cast<std::int64_t>(group) * map.group_oc * map.group_steps,
      .terms = windows.taps * map.group_oc,
      .group_ic = map.group_ic,
      .group_steps = map.group_steps,
      .kw = map.kw,
      .first_h = phase_h.first_tap,
      .first_w = phase_w.first_tap,
      .every_h = axis_h.every,
      .every_w = axis_w.every,
      .by_taps_w = by_taps_w,
      .by_group_oc = map.by_group_oc};
  const PhaseFilterLoader<T, C::kTileN, C::kThreads> b(filters, block.first_n);

  const int steps = (filters.terms + kMmaTerms<T> - 1) / kMmaTerms<T>;
  const int splits = static_cast<int>(gridDim.z);
  MmaSums<T, C::kWarpTileM, C::kWarpTileN> sums;
  multiply_steps<T, C, true, false>(sums, a, b, block.step_of(steps, block.split, splits),
                                    block.step_of(steps, block.split + 1, splits),
                                    ptx::shared_address(memory));

  if (target.partials != nullptr) target.partials += block.split * split_stride;
  store_tile<T, C>(sums, memory, target, block, [&](int pixel) -> std::int64_t {
    if (pixel >= pixels) return -1;
    const PixelPosition at = pixel_position(pixel, by_h, by_w);
    const std::int64_t h = phase_h.first_pixel + at.h * axis_h.stride;
    const int w_pixel = phase_w.first_pixel + at.w * axis_w.stride;
    return ((at.image * static_cast<std::int64_t>(map.ih) + h) * map.iw + w_pixel) * map.ic +
           group * map.group_ic;
  });
}

PhaseAxis phase_axis(int in, int stride, int padding, int dilation, int kernel) {
  const int common = std::gcd(stride, dilation);
  return {.in = in,
          .stride = stride,
          .padding = padding,
          .dilation = dilation,
          .kernel = kernel,
          .every = stride / common,
          .step = dilation / common};
}

template <class T, class C>
std::unique_ptr<Kernel> backward_data_kernel(const Conv2dPlan& plan,
                                             const PrepareContext& context) {
  const Conv2dProblem& p = plan.problem;
  const Extent2d& stride = p.geometry.stride;
  const std::int64_t rows =
      p.n * ((p.ih + stride.h - 1) / stride.h) * ((p.iw + stride.w - 1) / stride.w);
  const MmaLaunch launched = mma_launch<T, C>(plan, context.outputs[0].dtype, rows,
                                              p.geometry.groups * stride.h * stride.w);
  const Conv2dMap& map = launched.map;
  const PhaseAxis axis_h = phase_axis(map.ih, map.stride_h, map.padding_h, map.dilation_h, map.kh);
  const PhaseAxis axis_w = phase_axis(map.iw, map.stride_w, map.padding_w, map.dilation_w, map.kw);
  return make_kernel(
      [=](const Stream& stream, const Buffers& buffers) {
        const MmaTarget target = mma_target(launched, launched.map.group_ic, true, buffers);
        launch("conv2d_backward_data_mma_kernel", conv2d_backward_data_mma_kernel<T, C>,
               launched.config, stream_of(stream), launched.map, axis_h, axis_w, buffers.in<T>(0),
               buffers.in<T>(1), target, launched.sum.count);
        finish_splits(stream, launched, target);
      },
      launched.sum.scratch_bytes(), join(plan.choice));
}

}  // namespace

std::unique_ptr<Kernel> prepare_conv2d_mma_backward_data(const Conv2dPlan& plan,
                                                         const PrepareContext& context) {
  return with_mma_config(plan, context.inputs[0].dtype, [&](auto type, auto config) {
    return backward_data_kernel<decltype(type), decltype(config)>(plan, context);
  });
}

}  // namespace engine::cuda
