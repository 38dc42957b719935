// average_pool2d on CUDA, forward and backward.
#include "engine/kernels/cuda/block_sums.h"
#include "engine/kernels/cuda/pool_windows.h"

namespace engine::cuda {

namespace {

struct Average {
  PoolGeometry g;
  bool count_padding;

  // How many positions of a window count, along one axis.
  __device__ int counted(const PoolAxis& axis, int index) const {
    if (count_padding) return axis.padded_extent(index);
    const PoolSpan inside = axis.inside(index);
    return inside.end - inside.begin;
  }
  __device__ float divisor(int oh, int ow) const {
    return static_cast<float>(counted(g.v, oh) * counted(g.h, ow));
  }
};

template <class T, int N>
__device__ void add_scaled(float (&sum)[N], const Pack<T, N>& x, float factor) {
#pragma unroll
  for (int i = 0; i < N; ++i) sum[i] += load(x.values[i]) * factor;
}

// A thread makes N channels of one window; pool_rows_config() says where they lie.
// Floor: x read once, y written. Bound by memory bandwidth, as long as there are enough windows to
// fill the GPU: the next kernel is for few large ones.
template <class T, int N>
__global__ void __launch_bounds__(kPoolThreads)
    average_pool2d_forward_kernel(const T* x, const __grid_constant__ Average average, T* y) {
  const PoolGeometry& g = average.g;
  const int row = pool_row();
  if (row >= g.n * g.v.out) return;
  const int image = row / g.v.out, oh = row - image * g.v.out;
  const PoolSpan rows = g.v.inside(oh);
  x += image * g.x_image();
  y += std::int64_t{row} * g.h.out * g.c;
  for_each_pool_item<N>(g.h.out, g.c, [&](int ow, int channel) {
    const PoolSpan columns = g.h.inside(ow);
    float sum[N] = {};
    for (int ih = rows.begin; ih < rows.end; ++ih) {
      for (int iw = columns.begin; iw < columns.end; ++iw) {
        add_scaled(sum, read_pack<T, N>(x + (ih * g.h.in + iw) * g.c + channel), 1.0f);
      }
    }
    const float divisor = average.divisor(oh, ow);
    Pack<T, N> to;
#pragma unroll
    for (int i = 0; i < N; ++i) to.values[i] = store<T>(sum[i] / divisor);
    write_pack(y + ow * g.c + channel, to);
  });
}

// Few large windows, as in global pooling. A block does up to 32 packs of channels of one window:
// blockDim.x threads lie along the channels, and the blockDim.y ones behind each other take every
// blockDim.y-th pixel.
// Floor: x read once. Bound by memory bandwidth, or by latency where x is small.
template <class T, int N>
__global__ void __launch_bounds__(kPoolThreads)
    average_pool2d_forward_large_window_kernel(const T* x, const __grid_constant__ Average average,
                                               T* y) {
  const PoolGeometry& g = average.g;
  const int window = static_cast<int>(blockIdx.x);
  const int ow = window % g.h.out, row = window / g.h.out;
  const int image = row / g.v.out, oh = row - image * g.v.out;
  const PoolSpan rows = g.v.inside(oh), columns = g.h.inside(ow);
  const int channel = static_cast<int>(blockIdx.y * blockDim.x + threadIdx.x) * N;
  const int lane = static_cast<int>(threadIdx.y);
  float sum[N] = {};
  if (channel < g.c) {
    const T* from = x + image * g.x_image() + channel;
    const int extent = columns.end - columns.begin, count = (rows.end - rows.begin) * extent;
#pragma unroll 4
    for (int i = lane; i < count; i += static_cast<int>(blockDim.y)) {
      const int ih = i / extent, iw = i - ih * extent;
      const int pixel = (rows.begin + ih) * g.h.in + columns.begin + iw;
      add_scaled(sum, read_pack<T, N>(from + pixel * g.c), 1.0f);
    }
  }
  __shared__ float shared[kPoolThreads * N];
  add_along_block_y(sum, shared);
  if (lane != 0 || channel >= g.c) return;
  const float divisor = average.divisor(oh, ow);
  Pack<T, N> to;
#pragma unroll
  for (int i = 0; i < N; ++i) to.values[i] = store<T>(sum[i] / divisor);
  write_pack(y + std::int64_t{window} * g.c + channel, to);
}

// A thread makes N channels of one pixel of dx: it gathers from the windows that hold the pixel.
// Floor: dy read, dx written. Bound by memory bandwidth.
// (Without the 4 nvcc 13.0 spills 20 bytes to stay within 32 registers: -arch=sm_90a -Xptxas -v.)
template <class T, int N>
__global__ void __launch_bounds__(kPoolThreads, 4)
    average_pool2d_backward_kernel(const T* dy, const __grid_constant__ Average average, T* dx) {
  const PoolGeometry& g = average.g;
  const int row = pool_row();
  if (row >= g.n * g.v.in) return;
  const int image = row / g.v.in;
  const PoolSpan rows = g.v.covering(row - image * g.v.in);
  dy += image * g.y_image();
  dx += std::int64_t{row} * g.h.in * g.c;
  for_each_pool_item<N>(g.h.in, g.c, [&](int iw, int channel) {
    const PoolSpan columns = g.h.covering(iw);
    float sum[N] = {};
    for (int oh = rows.begin; oh < rows.end; ++oh) {
      const int counted_rows = average.counted(g.v, oh);
      for (int ow = columns.begin; ow < columns.end; ++ow) {
        // Of normal numbers, so 1 ulp off at most; an exact division is a call, which costs this
        // loop more registers than the rest of it.
        const float factor =
            __fdividef(1.0f, static_cast<float>(counted_rows * average.counted(g.h, ow)));
        add_scaled(sum, read_pack<T, N>(dy + (oh * g.h.out + ow) * g.c + channel), factor);
      }
    }
    Pack<T, N> to;
#pragma unroll
    for (int i = 0; i < N; ++i) to.values[i] = store<T>(sum[i]);
    write_pack(dx + iw * g.c + channel, to);
  });
}

// Whether single threads for windows would leave a GPU empty and have long to go.
bool is_few_and_large(const PoolGeometry& g, int packs) {
  constexpr std::int64_t kFew = 65536;  // threads
  constexpr int kLarge = 32;            // pixels
  return g.v.window * g.h.window >= kLarge && std::int64_t{g.n} * g.v.out * g.h.out * packs <= kFew;
}

template <class T, int N>
void run_forward(const Average& average, const Stream& stream, const Buffers& buffers) {
  const PoolGeometry& g = average.g;
  const int packs = g.c / N;
  const T* x = buffers.in<T>(0);
  T* y = buffers.out<T>(0);
  if (is_few_and_large(g, packs)) {
    unsigned width = 1;
    while (width < 32 && static_cast<int>(width) < packs) width *= 2;
    launch("average_pool2d_forward_large_window_kernel",
           average_pool2d_forward_large_window_kernel<T, N>,
           {.grid = dim3(static_cast<unsigned>(g.n * g.v.out * g.h.out),
                         blocks_for(packs, static_cast<int>(width))),
            .block = dim3(width, kPoolThreads / width)},
           stream_of(stream), x, average, y);
    return;
  }
  launch("average_pool2d_forward_kernel", average_pool2d_forward_kernel<T, N>,
         pool_rows_config(std::int64_t{g.n} * g.v.out, std::int64_t{g.h.out} * packs),
         stream_of(stream), x, average, y);
}

template <class T, int N>
void run_backward(const Average& average, const Stream& stream, const Buffers& buffers) {
  const PoolGeometry& g = average.g;
  launch("average_pool2d_backward_kernel", average_pool2d_backward_kernel<T, N>,
         pool_rows_config(std::int64_t{g.n} * g.v.in, std::int64_t{g.h.in} * (g.c / N)),
         stream_of(stream), buffers.in<T>(0), average, buffers.out<T>(0));
}

template <class T>
std::unique_ptr<Kernel> kernel_of(const char* op, const Pool2dProblem& problem, bool is_forward) {
  const Average average{pool_geometry(op, problem), problem.options.count_include_padding};
  return make_kernel([=](const Stream& stream, const Buffers& buffers) {
    constexpr int N = kPoolPack<T>;
    const int c = average.g.c;
    if (fits_pack<T, N>(buffers.inputs[0], c) && fits_pack<T, N>(buffers.outputs[0], c)) {
      (is_forward ? run_forward<T, N> : run_backward<T, N>)(average, stream, buffers);
    } else {
      (is_forward ? run_forward<T, 1> : run_backward<T, 1>)(average, stream, buffers);
    }
  });
}

}  // namespace

std::unique_ptr<Kernel> prepare_average_pool2d(const Pool2dProblem& problem, DType dtype) {
  return dtype == DType::f32 ? kernel_of<float>("average_pool2d", problem, true)
                             : kernel_of<__nv_bfloat16>("average_pool2d", problem, true);
}

std::unique_ptr<Kernel> prepare_average_pool2d_backward(const Pool2dProblem& problem, DType dtype) {
  return dtype == DType::f32 ? kernel_of<float>("average_pool2d_backward", problem, false)
                             : kernel_of<__nv_bfloat16>("average_pool2d_backward", problem, false);
}

}  // namespace engine::cuda
