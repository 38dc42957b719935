// max_pool2d backward on CUDA.
#include "engine/kernels/cuda/pool_windows.h"

namespace engine::cuda {

namespace {

// A thread makes N channels of one pixel of dx: it gathers from the windows that hold the pixel,
// row by row, those that chose it. So dx is written once and needs no atomics.
// Floor: dy and argmax read, dx written. Bound by memory bandwidth: a window is read by every pixel
// that it holds, but neighbouring pixels are neighbouring threads, and it is in the caches.
template <class T, class Argmax, int N>
__global__ void __launch_bounds__(kPoolThreads)
    max_pool2d_backward_kernel(const T* dy, const Argmax* argmax,
                               const __grid_constant__ PoolGeometry g, T* dx) {
  const int row = pool_row();
  if (row >= g.n * g.v.in) return;
  const int image = row / g.v.in, ih = row - image * g.v.in;
  const PoolSpan rows = g.v.covering(ih);
  dy += image * g.y_image();
  argmax += image * g.y_image();
  dx += std::int64_t{row} * g.h.in * g.c;
  for_each_pool_item<N>(g.h.in, g.c, [&](int iw, int channel) {
    const PoolSpan columns = g.h.covering(iw);
    float sum[N] = {};
    for (int oh = rows.begin; oh < rows.end; ++oh) {
      for (int ow = columns.begin; ow < columns.end; ++ow) {
        const auto position =
            static_cast<Argmax>(g.v.offset(ih, oh) * g.h.window + g.h.offset(iw, ow));
        const int from = (oh * g.h.out + ow) * g.c + channel;
        const auto chosen = read_pack<Argmax, N>(argmax + from);
        const auto slope = read_pack<T, N>(dy + from);
#pragma unroll
        for (int i = 0; i < N; ++i) {
          sum[i] += chosen.values[i] == position ? load(slope.values[i]) : 0.0f;
        }
      }
    }
    Pack<T, N> to;
#pragma unroll
    for (int i = 0; i < N; ++i) to.values[i] = store<T>(sum[i]);
    write_pack(dx + iw * g.c + channel, to);
  });
}

// 2x2 windows side by side: a thread reads N channels of one window and writes its four pixels.
// Where an extent is odd, the rest that no window holds counts as windows without a position.
// Floor: dy and argmax read, dx written, each once, which is what it does.
template <class T, int N>
__global__ void __launch_bounds__(kPoolThreads)
    max_pool2d_backward_two_by_two_kernel(const T* dy, const std::uint8_t* argmax,
                                          const __grid_constant__ PoolGeometry g, T* dx) {
  const int height = (g.v.in + 1) / 2;
  const int row = pool_row();
  if (row >= g.n * height) return;
  const int image = row / height, oh = row - image * height;
  const int dx_row = g.h.in * g.c;
  const std::int64_t from = image * g.y_image() + oh * g.h.out * g.c;
  dx += image * g.x_image() + 2 * oh * dx_row;
  for_each_pool_item<N>((g.h.in + 1) / 2, g.c, [&](int ow, int channel) {
    Pack<std::uint8_t, N> chosen;
    Pack<T, N> slope;
    if (oh < g.v.out && ow < g.h.out) {
      chosen = read_pack<std::uint8_t, N>(argmax + from + ow * g.c + channel);
      slope = read_pack<T, N>(dy + from + ow * g.c + channel);
    } else {
#pragma unroll
      for (int i = 0; i < N; ++i) {
        chosen.values[i] = 255;
        slope.values[i] = store<T>(0.0f);
      }
    }
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      const int ih = 2 * oh + k / 2, iw = 2 * ow + k % 2;
      if (ih >= g.v.in || iw >= g.h.in) continue;
      Pack<T, N> to;
#pragma unroll
      for (int i = 0; i < N; ++i) {
        to.values[i] = chosen.values[i] == k ? slope.values[i] : store<T>(0.0f);
      }
      write_pack(dx + (k / 2) * dx_row + iw * g.c + channel, to);
    }
  });
}

template <class T, class Argmax, int N>
void run(const PoolGeometry& g, bool is_two_by_two, const Stream& stream, const Buffers& buffers) {
  const T* dy = buffers.in<T>(0);
  const auto* argmax = buffers.in<Argmax>(1);
  T* dx = buffers.out<T>(0);
  const std::int64_t packs = g.c / N;
  if constexpr (sizeof(Argmax) == 1) {
    if (is_two_by_two) {
      launch("max_pool2d_backward_two_by_two_kernel", max_pool2d_backward_two_by_two_kernel<T, N>,
             pool_rows_config(std::int64_t{g.n} * ((g.v.in + 1) / 2), (g.h.in + 1) / 2 * packs),
             stream_of(stream), dy, argmax, g, dx);
      return;
    }
  }
  launch("max_pool2d_backward_kernel", max_pool2d_backward_kernel<T, Argmax, N>,
         pool_rows_config(std::int64_t{g.n} * g.v.in, g.h.in * packs), stream_of(stream), dy,
         argmax, g, dx);
}

template <class T, class Argmax>
std::unique_ptr<Kernel> backward(const Pool2dProblem& problem) {
  const PoolGeometry g = pool_geometry("max_pool2d_backward", problem);
  const bool is_two_by_two = problem.is_two_by_two();
  return make_kernel(
      [=](const Stream& stream, const Buffers& buffers) {
        constexpr int N = kPoolPack<T>;
        if (fits_pack<T, N>(buffers.inputs[0], g.c) &&
            fits_pack<Argmax, N>(buffers.inputs[1], g.c) &&
            fits_pack<T, N>(buffers.outputs[0], g.c)) {
          run<T, Argmax, N>(g, is_two_by_two, stream, buffers);
        } else {
          run<T, Argmax, 1>(g, is_two_by_two, stream, buffers);
        }
      },
      0, is_two_by_two ? "2x2" : "any window");
}

}  // namespace

std::unique_ptr<Kernel> prepare_max_pool2d_backward(const Pool2dProblem& problem, DType dtype) {
  const bool small = problem.window_size() <= 255;
  if (dtype == DType::f32) {
    return small ? backward<float, std::uint8_t>(problem) : backward<float, std::int32_t>(problem);
  }
  return small ? backward<__nv_bfloat16, std::uint8_t>(problem)
               : backward<__nv_bfloat16, std::int32_t>(problem);
}

}  // namespace engine::cuda
