// resize on CUDA: the width into scratch, then the height, by one kernel.
#include <cstdint>
#include <limits>

#include "engine/core/cuda/launch.h"
#include "engine/core/errors.h"
#include "engine/core/tensor.h"
#include "engine/kernels/cuda/packs.h"
#include "engine/kernels/resize.h"

namespace engine::cuda {

namespace {

constexpr int kThreads = 256;

// One axis of [outer, in, inner] becomes [outer, out, inner].
struct Resampling {
  std::int64_t outer, in, out, inner;
  const std::int32_t *begin, *first;  // as in ResizeAxis
  const float* weights;
};

// A thread makes N neighbouring elements of y along `inner`. Floor: x read and y written once where
// the filter is narrow; elements that several threads read come from the caches.
template <int N>
__global__ void __launch_bounds__(kThreads)
    resample_kernel(const float* x, const __grid_constant__ Resampling r, float* y) {
  const std::int64_t packs = r.inner / N, index = global_thread();
  if (index >= r.outer * r.out * packs) return;
  const std::int64_t line = index / packs, column = index % packs * N;
  const std::int64_t outer = line / r.out, o = line % r.out;
  const std::int32_t first = r.first[o], count = r.first[o + 1] - first;
  const float* from = x + (outer * r.in + r.begin[o]) * r.inner + column;
  float sums[N] = {};
  for (std::int32_t k = 0; k < count; ++k, from += r.inner) {
    const float weight = r.weights[first + k];
    float values[N];
    load_whole_pack(from, values);
#pragma unroll
    for (int i = 0; i < N; ++i) sums[i] += weight * values[i];
  }
  store_pack(y, index * N, index * N + N, true, sums);
}

// An axis on the device.
struct DeviceAxis {
  std::int64_t in, out;
  Tensor begin, first, weights;

  DeviceAxis(const ResizeAxis& axis, const Device& device)
      : in(axis.in),
        out(axis.out),
        begin(narrowed(axis.begin).to(device)),
        first(narrowed(axis.first).to(device)),
        weights(Tensor::from(axis.weights, {static_cast<std::int64_t>(axis.weights.size())})
                    .to(device)) {}

  static Tensor narrowed(const std::vector<std::int64_t>& values) {
    std::vector<std::int32_t> result;
    for (const std::int64_t value : values) {
      ENGINE_CHECK(value <= std::numeric_limits<std::int32_t>::max(), "resize: ", value,
                   " pixels or weights along an axis are too many for CUDA");
      result.push_back(static_cast<std::int32_t>(value));
    }
    return Tensor::from(result, {static_cast<std::int64_t>(result.size())});
  }

  void apply(std::int64_t outer, std::int64_t inner, const float* x, float* y,
             const Stream& stream) const {
    const Resampling r{.outer = outer,
                       .in = in,
                       .out = out,
                       .inner = inner,
                       .begin = static_cast<const std::int32_t*>(begin.data()),
                       .first = static_cast<const std::int32_t*>(first.data()),
                       .weights = static_cast<const float*>(weights.data())};
    const std::int64_t count = outer * out * inner;
    if (fits_pack<float, 4>(x, inner) && fits_pack<float, 4>(y, inner)) {
      launch("resample_kernel", resample_kernel<4>,
             {.grid = dim3(blocks_for(count / 4, kThreads)), .block = dim3(kThreads)},
             stream_of(stream), x, r, y);
    } else {
      launch("resample_kernel", resample_kernel<1>,
             {.grid = dim3(blocks_for(count, kThreads)), .block = dim3(kThreads)},
             stream_of(stream), x, r, y);
    }
  }
};

}  // namespace

std::unique_ptr<Kernel> prepare_resize(const ResizeProblem& problem, const Device& device) {
  const DeviceAxis horizontal(problem.horizontal, device), vertical(problem.vertical, device);
  const std::int64_t n = problem.n, c = problem.c;
  const std::int64_t middle = n * vertical.in * horizontal.out * c;
  return make_kernel(
      [=](const Stream& stream, const Buffers& b) {
        auto* scratch = static_cast<float*>(b.scratch);
        horizontal.apply(n * vertical.in, c, b.in<float>(0), scratch, stream);
        vertical.apply(n, horizontal.out * c, scratch, b.out<float>(0), stream);
      },
      middle * static_cast<std::int64_t>(sizeof(float)));
}

}  // namespace engine::cuda
