// max_pool2d forward on CUDA.
#include "engine/kernels/cuda/pool_windows.h"

namespace engine::cuda {

namespace {

// The largest value so far of N channels and its position. NaN is larger than all, and of several
// the last one stays; of equal values the first.
template <int N>
struct Maximum {
  float values[N];
  int positions[N];

  __device__ explicit Maximum(int position) {
#pragma unroll
    for (int i = 0; i < N; ++i) {
      values[i] = -INFINITY;
      positions[i] = position;
    }
  }
  template <class T>
  __device__ void take(const Pack<T, N>& x, int position) {
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const float value = load(x.values[i]);
      if (value > values[i] || isnan(value)) {
        values[i] = value;
        positions[i] = position;
      }
    }
  }
  // Position -1: a window whose y is 0 because of the relu.
  template <class T, class Argmax>
  __device__ void write(bool relu, T* y, Argmax* argmax) const {
    Pack<T, N> to;
    Pack<Argmax, N> chosen;
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const bool is_dead = relu && values[i] <= 0.0f;
      to.values[i] = store<T>(is_dead ? 0.0f : values[i]);
      chosen.values[i] = static_cast<Argmax>(is_dead ? -1 : positions[i]);
    }
    write_pack(y, to);
    if (argmax != nullptr) write_pack(argmax, chosen);
  }
};

// A thread makes N channels of one window; pool_rows_config() says where they lie.
// Floor: x read once, y and argmax written. Bound by memory bandwidth: what overlapping windows
// share is in the L1 cache, since neighbouring windows are neighbouring threads.
template <class T, class Argmax, int N>
__global__ void __launch_bounds__(kPoolThreads)
    max_pool2d_forward_kernel(const T* x, const __grid_constant__ PoolGeometry g, bool relu, T* y,
                              Argmax* argmax) {
  const int row = pool_row();
  if (row >= g.n * g.v.out) return;
  const int image = row / g.v.out, oh = row - image * g.v.out;
  const PoolSpan rows = g.v.inside(oh);
  x += image * g.x_image();
  const std::int64_t to = std::int64_t{row} * g.h.out * g.c;
  for_each_pool_item<N>(g.h.out, g.c, [&](int ow, int channel) {
    const PoolSpan columns = g.h.inside(ow);
    const auto position = [&](int ih, int iw) {
      return g.v.offset(ih, oh) * g.h.window + g.h.offset(iw, ow);
    };
    Maximum<N> best(position(rows.begin, columns.begin));
    for (int ih = rows.begin; ih < rows.end; ++ih) {
      for (int iw = columns.begin; iw < columns.end; ++iw) {
        best.take(read_pack<T, N>(x + (ih * g.h.in + iw) * g.c + channel), position(ih, iw));
      }
    }
    const std::int64_t at = to + ow * g.c + channel;
    best.write(relu, y + at, argmax == nullptr ? nullptr : argmax + at);
  });
}

// 2x2 windows side by side, all inside: the four loads are under way before the first comparison.
// Threads and floor as above.
template <class T, int N>
__global__ void __launch_bounds__(kPoolThreads)
    max_pool2d_forward_two_by_two_kernel(const T* x, const __grid_constant__ PoolGeometry g,
                                         bool relu, T* y, std::uint8_t* argmax) {
  const int row = pool_row();
  if (row >= g.n * g.v.out) return;
  const int image = row / g.v.out, oh = row - image * g.v.out;
  const int x_row = g.h.in * g.c;
  x += image * g.x_image() + 2 * oh * x_row;
  const std::int64_t to = std::int64_t{row} * g.h.out * g.c;
  for_each_pool_item<N>(g.h.out, g.c, [&](int ow, int channel) {
    const T* from = x + 2 * ow * g.c + channel;
    const Pack<T, N> corners[4] = {read_pack<T, N>(from), read_pack<T, N>(from + g.c),
                                   read_pack<T, N>(from + x_row),
                                   read_pack<T, N>(from + x_row + g.c)};
    Maximum<N> best(0);
#pragma unroll
    for (int k = 0; k < 4; ++k) best.take(corners[k], k);
    const std::int64_t at = to + ow * g.c + channel;
    best.write(relu, y + at, argmax == nullptr ? nullptr : argmax + at);
  });
}

template <class T, class Argmax, int N>
void run(const PoolGeometry& g, bool is_two_by_two, MaxPool2dOp::Extras extras,
         const Stream& stream, const Buffers& buffers) {
  const T* x = buffers.in<T>(0);
  T* y = buffers.out<T>(0);
  auto* argmax = extras.argmax ? buffers.out<Argmax>(1) : nullptr;
  const bool relu = extras.activation == Activation::relu;
  const LaunchConfig config =
      pool_rows_config(std::int64_t{g.n} * g.v.out, std::int64_t{g.h.out} * (g.c / N));
  if constexpr (sizeof(Argmax) == 1) {
    if (is_two_by_two) {
      launch("max_pool2d_forward_two_by_two_kernel", max_pool2d_forward_two_by_two_kernel<T, N>,
             config, stream_of(stream), x, g, relu, y, argmax);
      return;
    }
  }
  launch("max_pool2d_forward_kernel", max_pool2d_forward_kernel<T, Argmax, N>, config,
         stream_of(stream), x, g, relu, y, argmax);
}

template <class T, class Argmax>
std::unique_ptr<Kernel> forward(const Pool2dProblem& problem, MaxPool2dOp::Extras extras) {
  const PoolGeometry g = pool_geometry("max_pool2d", problem);
  const bool is_two_by_two = problem.is_two_by_two();
  return make_kernel(
      [=](const Stream& stream, const Buffers& buffers) {
        constexpr int N = kPoolPack<T>;
        const bool fits = fits_pack<T, N>(buffers.inputs[0], g.c) &&
                          fits_pack<T, N>(buffers.outputs[0], g.c) &&
                          (!extras.argmax || fits_pack<Argmax, N>(buffers.outputs[1], g.c));
        if (fits) {
          run<T, Argmax, N>(g, is_two_by_two, extras, stream, buffers);
        } else {
          run<T, Argmax, 1>(g, is_two_by_two, extras, stream, buffers);
        }
      },
      0, is_two_by_two ? "2x2" : "any window");
}

}  // namespace

std::unique_ptr<Kernel> prepare_max_pool2d(const Pool2dProblem& problem, MaxPool2dOp::Extras extras,
                                           DType dtype) {
  const bool small = problem.window_size() <= 255;
  if (dtype == DType::f32) {
    return small ? forward<float, std::uint8_t>(problem, extras)
                 : forward<float, std::int32_t>(problem, extras);
  }
  return small ? forward<__nv_bfloat16, std::uint8_t>(problem, extras)
               : forward<__nv_bfloat16, std::int32_t>(problem, extras);
}

}  // namespace engine::cuda
