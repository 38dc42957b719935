// Convolutions of 1 to 4 input channels: the gradient of x, which is the picture where pixels are
// what is optimised.
#include "engine/kernels/ceil_div.h"
#include "engine/kernels/cuda/conv2d_few_channels.h"

namespace engine::cuda {

namespace {

constexpr int kThreads = 128;
constexpr int kLanes = 8;                   // threads that share a group of pixels
constexpr int kPixels = 4;                  // of a group, neighbours in a row
constexpr int kGroups = kThreads / kLanes;  // of a block
constexpr int kBlocksEach = 5;              // on a multiprocessor

// Channels of dy that the lanes of a group read at a time, a pack each.
template <class T>
constexpr int kChunk = kLanes* kPackElements<T>;

struct PixelGroups {
  int count;  // of all images
  FastDivisor per_row;
};

// The filters [oc][tap][ic] as [chunk of oc][tap][ic][four of a pack][lane][4], so that the lanes
// read neighbouring 16 bytes; zeros behind the last filter.
template <class T, int kIc>
__device__ void load_filters(const Conv2dMap& map, const T* w, float* filters) {
  constexpr int kFours = kPackElements<T> / 4;
  const int taps = map.kh * map.kw;
  const int count = (map.oc + kChunk<T> - 1) / kChunk<T> * kChunk<T> * taps * kIc;
  for (int i = static_cast<int>(threadIdx.x); i < count; i += kThreads) {
    const int lane = i / 4 % kLanes, four = i / (4 * kLanes) % kFours, rest = i / kChunk<T>;
    const int c = rest % kIc, tap = rest / kIc % taps, chunk = rest / (kIc * taps);
    const int oc = chunk * kChunk<T> + lane * kPackElements<T> + 4 * four + i % 4;
    filters[i] =
        oc < map.oc ? load(w[(static_cast<std::int64_t>(oc) * taps + tap) * kIc + c]) : 0.0f;
  }
}

// The output row (or column) whose window has its tap 0 at `position` of the padded image; -1 where
// there is none.
__device__ inline int window_at(int position, const FastDivisor& by_stride, int count) {
  if (position < 0) return -1;
  const int window = by_stride.quotient(position);
  return window * by_stride.divisor() == position && window < count ? window : -1;
}

// Adds what a lane's channels of dy contribute to a group of pixels, of which the first lies at row
// h, column v of the padded image. `dy` is that of the image.
template <class T, int kIc>
__device__ void add_windows(const Conv2dMap& map, const T* dy, int h, int v, const float* filters,
                            bool is_aligned, float (&sums)[kPixels][kIc]) {
  constexpr int N = kPackElements<T>;
  const int lane = static_cast<int>(threadIdx.x) % kLanes;
  const float* filter = filters + 4 * lane;
  for (int channel = N * lane; channel - N * lane < map.oc; channel += kChunk<T>) {
    for (int kh = 0; kh < map.kh; ++kh, filter += map.kw * kIc * kChunk<T>) {
      const int oh = window_at(h - kh, map.by_stride_h, map.oh);
      if (oh < 0) continue;
      const T* line = dy + static_cast<std::int64_t>(oh) * map.ow * map.oc;
      for (int kw = 0; kw < map.kw; ++kw) {
        float weights[kIc][N];
#pragma unroll
        for (int i = 0; i < kIc * N / 4; ++i) {
          const auto four = *reinterpret_cast<const Pack<float, 4>*>(filter + kw * kIc * kChunk<T> +
                                                                     i * 4 * kLanes);
#pragma unroll
          for (int k = 0; k < 4; ++k) weights[i / (N / 4)][i % (N / 4) * 4 + k] = four.values[k];
        }
#pragma unroll
        for (int p = 0; p < kPixels; ++p) {
          const int ow = window_at(v + p - kw, map.by_stride_w, map.ow);
          if (ow < 0) continue;
          float values[N];
          load_pack(line + static_cast<std::int64_t>(ow) * map.oc, channel, map.oc, is_aligned,
                    values);
#pragma unroll
          for (int c = 0; c < kIc; ++c) {
#pragma unroll
            for (int i = 0; i < N; ++i) sums[p][c] = fmaf(values[i], weights[c][i], sums[p][c]);
          }
        }
      }
    }
  }
}

// Eight neighbouring threads share four neighbouring pixels: each has its channels of dy, 16 bytes
// of the 128 that the eight read at a time, and their sums are added in a fixed order. A block
// keeps all filters in shared memory for all its groups of pixels. Floor: dy read, and dx written,
// once; 2 kh kw ic FLOP for each element of dy. By arithmetic, with kh kw ic = 27 in bf16 the FLOP
// take 1.4 times the time of the bytes on an H100 (67 TFLOP/s, 3.35 TB/s), and so they bound it. A
// tap costs 6 reads of shared memory and 16 of the L1 cache for 96 multiply-adds of a warp, about
// as long as these.
template <class T, int kIc>
__global__ void __launch_bounds__(kThreads, kBlocksEach)
    conv2d_backward_data_few_channels_kernel(const __grid_constant__ Conv2dMap map,
                                             const __grid_constant__ PixelGroups groups,
                                             const T* dy, const T* w, T* dx, bool is_aligned) {
  ENGINE_DYNAMIC_SHARED(float, filters);
  load_filters<T, kIc>(map, w, filters);
  __syncthreads();
  constexpr int kOfWarp = 32 / kLanes;
  const int lane = static_cast<int>(threadIdx.x) % kLanes;
  const int own = static_cast<int>(threadIdx.x) / kLanes, beside = own % kOfWarp;
  const int step = static_cast<int>(gridDim.x) * kGroups;
  // The threads of a warp stay together, for the shuffles.
  for (int first = static_cast<int>(blockIdx.x) * kGroups + own - beside; first < groups.count;
       first += step) {
    const int group = min(first + beside, groups.count - 1);
    const int row = groups.per_row.quotient(group), image = map.by_ih.quotient(row);
    const int column = (group - row * groups.per_row.divisor()) * kPixels;
    float sums[kPixels][kIc] = {};
    add_windows<T, kIc>(map, dy + static_cast<std::int64_t>(image) * map.oh * map.ow * map.oc,
                        row - image * map.ih + map.padding_h, column + map.padding_w, filters,
                        is_aligned, sums);
    T* to = dx + (static_cast<std::int64_t>(row) * map.iw + column) * kIc;
#pragma unroll
    for (int i = 0; i < kPixels * kIc; ++i) {
      float sum = sums[i / kIc][i % kIc];
#pragma unroll
      for (int offset = 1; offset < kLanes; offset *= 2) {
        sum += __shfl_xor_sync(0xffffffffu, sum, offset);
      }
      const bool exists = first + beside < groups.count && column + i / kIc < map.iw;
      if (exists && lane == i % kLanes) to[i] = store<T>(sum);
    }
  }
}

template <class T, int kIc>
std::unique_ptr<Kernel> backward_data(const Conv2dPlan& plan, const PrepareContext& context) {
  const FewChannelsPlan cut =
      few_channels_plan(plan.direction, plan.problem, context.inputs[0].dtype);
  const Conv2dMap map = conv2d_map(plan.problem);
  const PixelGroups groups{.count = static_cast<int>(cut.tiles.count),
                           .per_row = FastDivisor(std::max((map.iw + kPixels - 1) / kPixels, 1))};
  const std::int64_t most = std::int64_t{gpu_of(context.device).multiprocessors} * kBlocksEach;
  const LaunchConfig config{
      .grid = dim3(static_cast<unsigned>(std::min(ceil_div(cut.tiles.count, kGroups), most))),
      .block = dim3(kThreads),
      .shared_bytes = static_cast<std::size_t>(cut.shared_bytes)};
  return make_kernel(
      [=](const Stream& stream, const Buffers& buffers) {
        const T* dy = buffers.in<T>(0);
        launch("conv2d_backward_data_few_channels_kernel",
               conv2d_backward_data_few_channels_kernel<T, kIc>, config, stream_of(stream), map,
               groups, dy, buffers.in<T>(1), buffers.out<T>(0),
               fits_pack<T, kPackElements<T>>(dy, map.oc));
      },
      0, "few channels");
}

template <class T>
std::unique_ptr<Kernel> backward_data(const Conv2dPlan& plan, const PrepareContext& context) {
  switch (plan.problem.ic) {
    case 1:
      return backward_data<T, 1>(plan, context);
    case 2:
      return backward_data<T, 2>(plan, context);
    case 3:
      return backward_data<T, 3>(plan, context);
    default:
      return backward_data<T, 4>(plan, context);
  }
}

}  // namespace

std::unique_ptr<Kernel> prepare_few_channels_data(const Conv2dPlan& plan,
                                                  const PrepareContext& context) {
  return context.inputs[0].dtype == DType::f32 ? backward_data<float>(plan, context)
                                               : backward_data<__nv_bfloat16>(plan, context);
}

}  // namespace engine::cuda
