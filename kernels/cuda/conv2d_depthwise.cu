// Convolutions with a filter for each channel: forward, and the gradient of x.
#include <algorithm>
#include <cstdint>

#include "engine/core/cuda/device_code.h"
#include "engine/core/cuda/launch.h"
#include "engine/kernels/cuda/conv2d_depthwise.h"

namespace engine::cuda {

namespace {

constexpr int kColumns = 4;  // output pixels of a thread, neighbours in a row

// The sliding of windows over an image: y(oh, ow) = sum over kh, kw of
//   x(oh * stride_h - padding_h + kh, ow * stride_w - padding_w + kw) w(kh, kw).
// The gradient of x is the same for strides of 1, with the filters turned by half a revolution.
struct Slide {
  int n, ih, iw, c, oh, ow, kh, kw;
  int stride_h, stride_w, padding_h, padding_w;
  bool is_turned;
  FastDivisor by_oh, by_groups;  // groups of kColumns pixels in a row of y
  int groups;                    // of all images
};

template <class T>
struct Epilogue {
  const float* bias;  // or null
  T* y;
  Activation activation;
};

// A block has the channels of its blockDim.x threads, N each, whose filters it keeps in shared
// memory; its blockDim.y threads behind each other, and then the next blocks along x, take groups
// of four neighbouring pixels. Each pack of a filter serves four pixels. Floor: x read and y
// written once, 2 kh kw FLOP an element; bound by memory bandwidth up to 5x5 in bf16. What windows
// share is in the L1 cache: kh kw reads of it for each element of y.
template <class T, int N>
__global__ void __launch_bounds__(kDepthwiseThreads)
    conv2d_forward_depthwise_kernel(const __grid_constant__ Slide s, const T* x, const T* w,
                                    Epilogue<T> out) {
  ENGINE_DYNAMIC_SHARED(float, filters);
  const int channels = static_cast<int>(blockDim.x) * N;
  const int first = static_cast<int>(blockIdx.y) * channels;
  load_depthwise_filters(s.c, s.kh * s.kw, first, channels, s.is_turned, w, filters);
  __syncthreads();
  const int channel = first + static_cast<int>(threadIdx.x) * N;
  if (channel >= s.c) return;
  const int step = static_cast<int>(gridDim.x * blockDim.y);
  for (int group = static_cast<int>(blockIdx.x * blockDim.y + threadIdx.y); group < s.groups;
       group += step) {
    const int row = s.by_groups.quotient(group), image = s.by_oh.quotient(row);
    const int ow = (group - row * s.by_groups.divisor()) * kColumns;
    const int first_h = (row - image * s.oh) * s.stride_h - s.padding_h;
    const int first_w = ow * s.stride_w - s.padding_w;
    float sums[kColumns][N] = {};
    for (int kh = 0; kh < s.kh; ++kh) {
      const int ih = first_h + kh;
      const bool is_row = is_within(ih, s.ih);
      const T* line = x + (static_cast<std::int64_t>(image) * s.ih + ih) * s.iw * s.c + channel;
      for (int kw = 0; kw < s.kw; ++kw) {
        const auto filter = *reinterpret_cast<const Pack<float, N>*>(
            filters + (kh * s.kw + kw) * channels + threadIdx.x * N);
#pragma unroll
        for (int p = 0; p < kColumns; ++p) {
          const int iw = first_w + p * s.stride_w + kw;
          Pack<T, N> value = {};
          if (is_row && is_within(iw, s.iw)) {
            value =
                *reinterpret_cast<const Pack<T, N>*>(line + static_cast<std::int64_t>(iw) * s.c);
          }
#pragma unroll
          for (int i = 0; i < N; ++i) {
            sums[p][i] = fmaf(load(value.values[i]), filter.values[i], sums[p][i]);
          }
        }
      }
    }
    T* to = out.y + (static_cast<std::int64_t>(row) * s.ow + ow) * s.c + channel;
#pragma unroll
    for (int p = 0; p < kColumns; ++p) {
      if (ow + p >= s.ow) break;
      Pack<T, N> result;
#pragma unroll
      for (int i = 0; i < N; ++i) {
        const float bias = out.bias == nullptr ? 0.0f : out.bias[channel + i];
        result.values[i] = store<T>(activate(sums[p][i] + bias, out.activation));
      }
      *reinterpret_cast<Pack<T, N>*>(to + static_cast<std::int64_t>(p) * s.c) = result;
    }
  }
}

// The gradient of x for any strides. Threads lie as above, but each makes one pixel: it gathers
// from the windows that hold the pixel.
// Floor: dy read and dx written once; a pixel is in kh kw / (stride_h stride_w) windows.
template <class T, int N>
__global__ void __launch_bounds__(kDepthwiseThreads)
    conv2d_backward_data_depthwise_kernel(const __grid_constant__ Conv2dMap map, const T* dy,
                                          const T* w, T* dx) {
  ENGINE_DYNAMIC_SHARED(float, filters);
  const int channels = static_cast<int>(blockDim.x) * N;
  const int first = static_cast<int>(blockIdx.y) * channels;
  load_depthwise_filters(map.ic, map.kh * map.kw, first, channels, false, w, filters);
  __syncthreads();
  const int channel = first + static_cast<int>(threadIdx.x) * N;
  if (channel >= map.ic) return;
  const int step = static_cast<int>(gridDim.x * blockDim.y);
  for (int pixel = static_cast<int>(blockIdx.x * blockDim.y + threadIdx.y); pixel < map.x_pixels;
       pixel += step) {
    const PixelPosition at = pixel_position(pixel, map.by_ih, map.by_iw);
    const int h = at.h + map.padding_h, v = at.w + map.padding_w;
    // Windows from the last one that begins at or before the pixel, back to the first that reaches
    // it.
    const int last_h = map.by_stride_h.quotient(h), last_w = map.by_stride_w.quotient(v);
    const T* image = dy + static_cast<std::int64_t>(at.image) * map.oh * map.ow * map.oc + channel;
    float sums[N] = {};
    for (int oh = last_h, kh = h - last_h * map.stride_h; kh < map.kh && oh >= 0;
         --oh, kh += map.stride_h) {
      for (int ow = last_w, kw = v - last_w * map.stride_w; kw < map.kw && ow >= 0;
           --ow, kw += map.stride_w) {
        Pack<T, N> value = {};
        if (oh < map.oh && ow < map.ow) {
          value = *reinterpret_cast<const Pack<T, N>*>(
              image + (static_cast<std::int64_t>(oh) * map.ow + ow) * map.oc);
        }
        const auto filter = *reinterpret_cast<const Pack<float, N>*>(
            filters + (kh * map.kw + kw) * channels + threadIdx.x * N);
#pragma unroll
        for (int i = 0; i < N; ++i) {
          sums[i] = fmaf(load(value.values[i]), filter.values[i], sums[i]);
        }
      }
    }
    Pack<T, N> result;
#pragma unroll
    for (int i = 0; i < N; ++i) result.values[i] = store<T>(sums[i]);
    *reinterpret_cast<Pack<T, N>*>(dx + static_cast<std::int64_t>(pixel) * map.ic + channel) =
        result;
  }
}

// For the gradient of x with strides of 1, x and y are dy and dx.
Slide slide_of(const Conv2dMap& map, Conv2dDirection direction) {
  const bool is_turned = direction == Conv2dDirection::backward_data;
  Slide s = {.n = map.n,
             .ih = is_turned ? map.oh : map.ih,
             .iw = is_turned ? map.ow : map.iw,
             .c = map.ic,
             .oh = is_turned ? map.ih : map.oh,
             .ow = is_turned ? map.iw : map.ow,
             .kh = map.kh,
             .kw = map.kw,
             .stride_h = map.stride_h,
             .stride_w = map.stride_w,
             .padding_h = is_turned ? map.kh - 1 - map.padding_h : map.padding_h,
             .padding_w = is_turned ? map.kw - 1 - map.padding_w : map.padding_w,
             .is_turned = is_turned};
  const int groups = (s.ow + kColumns - 1) / kColumns;
  s.by_oh = FastDivisor(std::max(s.oh, 1));
  s.by_groups = FastDivisor(std::max(groups, 1));
  s.groups = s.n * s.oh * groups;
  return s;
}

template <class T>
class DepthwiseKernel final : public Kernel {
 public:
  DepthwiseKernel(const Conv2dPlan& plan, const PrepareContext& context)
      : map_(conv2d_map(plan.problem)),
        activation_(plan.activation),
        multiprocessors_(gpu_of(context.device).multiprocessors),
        is_forward_(plan.direction == Conv2dDirection::forward) {
    slides_ = is_forward_ || (map_.stride_h == 1 && map_.stride_w == 1);
    if (slides_) slide_ = slide_of(map_, plan.direction);
  }
  std::string describe() const override { return "depthwise"; }

  void run(const Stream& stream, const Buffers& buffers) override {
    constexpr int N = 16 / static_cast<int>(sizeof(T));
    if (fits_pack<T, N>(buffers.inputs[0], map_.ic) &&
        fits_pack<T, N>(buffers.outputs[0], map_.ic)) {
      enqueue<N>(stream, buffers);
    } else {
      enqueue<1>(stream, buffers);
    }
  }

 private:
  template <int N>
  void enqueue(const Stream& stream, const Buffers& buffers) const {
    const std::int64_t items = slides_ ? slide_.groups : map_.x_pixels;
    LaunchConfig config = depthwise_config(map_.ic, N, items, 8 * multiprocessors_);
    config.shared_bytes = sizeof(float) * config.block.x * N * map_.kh * map_.kw;
    const T *x = buffers.in<T>(0), *w = buffers.in<T>(1);
    T* y = buffers.out<T>(0);
    if (slides_) {
      const float* bias = buffers.inputs.size() > 2 ? buffers.in<float>(2) : nullptr;
      launch("conv2d_forward_depthwise_kernel", conv2d_forward_depthwise_kernel<T, N>, config,
             stream_of(stream), slide_, x, w, Epilogue<T>{bias, y, activation_});
    } else {
      launch("conv2d_backward_data_depthwise_kernel", conv2d_backward_data_depthwise_kernel<T, N>,
             config, stream_of(stream), map_, x, w, y);
    }
  }

  Conv2dMap map_;
  Slide slide_ = {};
  Activation activation_;
  int multiprocessors_;
  bool is_forward_, slides_ = false;
};

}  // namespace

std::unique_ptr<Kernel> prepare_conv2d_depthwise(const Conv2dPlan& plan,
                                                 const PrepareContext& context) {
  if (plan.direction == Conv2dDirection::backward_weights) {
    return prepare_depthwise_backward_weights(plan, context);
  }
  if (context.inputs[0].dtype == DType::f32) {
    return std::make_unique<DepthwiseKernel<float>>(plan, context);
  }
  return std::make_unique<DepthwiseKernel<__nv_bfloat16>>(plan, context);
}

}  // namespace engine::cuda
