// The sum of a convolution's partial results.
#include "engine/core/cuda/device_code.h"
#include "engine/core/cuda/launch.h"
#include "engine/kernels/cuda/conv2d_map.h"
#include "engine/kernels/cuda/conv2d_sum_splits.h"

namespace engine::cuda {

namespace {

constexpr int kThreads = 256;

// A thread has kElements neighbouring outputs. Floor: 4 bytes read for each partial result, most of
// them in the L2 cache still, and the output written once.
template <class T, int kElements>
__global__ void __launch_bounds__(kThreads)
    conv2d_sum_splits_kernel(const float* partials, const float* bias, T* out, SplitSum sum) {
  const std::int64_t first = kElements * global_thread();
  if (first >= sum.count) return;
  Pack<float, kElements> total = {};
  for (int split = 0; split < sum.splits; ++split) {
    const auto part =
        *reinterpret_cast<const Pack<float, kElements>*>(partials + split * sum.count + first);
#pragma unroll
    for (int i = 0; i < kElements; ++i) total.values[i] += part.values[i];
  }
  const int channel = bias == nullptr ? 0 : static_cast<int>(first % sum.channels);
  Pack<T, kElements> result;
#pragma unroll
  for (int i = 0; i < kElements; ++i) {
    const float value = bias == nullptr ? total.values[i] : total.values[i] + bias[channel + i];
    result.values[i] = store<T>(activate(value, sum.activation));
  }
  *reinterpret_cast<Pack<T, kElements>*>(out + first) = result;
}

template <class T>
void run(cudaStream_t stream, const SplitSum& sum, const float* partials, const float* bias,
         void* out) {
  const auto enqueue = [&](auto kernel, int elements) {
    launch("conv2d_sum_splits_kernel", kernel,
           {.grid = dim3(blocks_for(sum.count, kThreads * elements)), .block = dim3(kThreads)},
           stream, partials, bias, static_cast<T*>(out), sum);
  };
  // A pack lies within one pixel's channels.
  const bool is_aligned = fits_pack<float, 4>(partials, sum.count) &&
                          fits_pack<T, 4>(out, sum.count) &&
                          (bias == nullptr || sum.channels % 4 == 0);
  if (is_aligned) {
    enqueue(conv2d_sum_splits_kernel<T, 4>, 4);
  } else {
    enqueue(conv2d_sum_splits_kernel<T, 1>, 1);
  }
}

}  // namespace

void sum_splits(cudaStream_t stream, const SplitSum& sum, const float* partials, const float* bias,
                void* out) {
  switch (sum.out_dtype) {
    case DType::bf16:
      return run<__nv_bfloat16>(stream, sum, partials, bias, out);
    case DType::f16:
      return run<__half>(stream, sum, partials, bias, out);
    default:
      return run<float>(stream, sum, partials, bias, out);
  }
}

}  // namespace engine::cuda
