// mean_squared_difference and its gradient on CUDA.
#include <cstdint>

#include "engine/kernels/cuda/column_sums.h"
#include "engine/kernels/mean_squared_difference.h"

namespace engine::cuda {

namespace {

constexpr int kThreads = 256;
constexpr int kPack = kPackElements<float>;  // the target's; x in bf16 comes in 8 bytes

// The Source (column_sums.h) of the squares, as one column. Floor: x and the target read once.
template <class T>
struct SquaredDifferences {
  static constexpr int kElements = kPack;
  static constexpr int kSums = 1;

  const T* x;
  const float* target;
  float* y;
  std::int64_t count;

  __device__ void begin(std::int64_t) const {}
  template <bool kIsWhole>
  __device__ void add(std::int64_t element, std::int64_t left, std::int64_t,
                      float (&sums)[kSums][kElements]) const {
    float values[kElements], targets[kElements];
    if constexpr (kIsWhole) {
      load_whole_pack(x + element, values);
      load_whole_pack(target + element, targets);
    } else {
      load_single(x + element, left, values);
      load_single(target + element, left, targets);
    }
#pragma unroll
    for (int i = 0; i < kElements; ++i) {
      const float difference = values[i] - targets[i];
      sums[0][i] += difference * difference;
    }
  }
  __device__ void end(int, std::int64_t, float (&)[kSums][kElements]) const {}
  template <class Acc>
  __device__ static void merge(Acc (&a)[kSums], const Acc (&b)[kSums]) {
    a[0] += b[0];
  }
  template <class Acc>
  __device__ void finish(std::int64_t, std::int64_t, const Acc (&sums)[kSums]) const {
    y[0] = static_cast<float>(static_cast<double>(sums[0]) / static_cast<double>(count));
  }
};

// A thread does one pack of 4. Floor: x and the target read, dx written once.
template <class T>
__global__ void __launch_bounds__(kThreads)
    mean_squared_difference_backward_kernel(const float* dy, const T* x, const float* target, T* dx,
                                            std::int64_t count, bool is_aligned) {
  const std::int64_t first = kPack * global_thread();
  const float factor = dy[0] * 2.0f / static_cast<float>(count);
  float values[kPack], targets[kPack];
  load_pack(x, first, count, is_aligned, values);
  load_pack(target, first, count, is_aligned, targets);
#pragma unroll
  for (int i = 0; i < kPack; ++i) values[i] = factor * (values[i] - targets[i]);
  store_pack(dx, first, count, is_aligned, values);
}

template <class T>
std::unique_ptr<Kernel> forward_as(std::int64_t count) {
  const ColumnPlan plan = column_plan(1, count, 1, kPack);
  return make_kernel(
      [=](const Stream& stream, const Buffers& b) {
        const SquaredDifferences<T> source{b.in<T>(0), b.in<float>(1), b.out<float>(0), count};
        sum_columns(plan, source, are_aligned(source.x, source.target), b.scratch, stream);
      },
      column_scratch_bytes<SquaredDifferences<T>>(plan));
}

template <class T>
std::unique_ptr<Kernel> backward_as(std::int64_t count) {
  return make_kernel([=](const Stream& stream, const Buffers& b) {
    const float *dy = b.in<float>(0), *target = b.in<float>(2);
    const T* x = b.in<T>(1);
    T* dx = b.out<T>(0);
    launch("mean_squared_difference_backward_kernel", mean_squared_difference_backward_kernel<T>,
           {.grid = dim3(blocks_for(count, kThreads * kPack)), .block = dim3(kThreads)},
           stream_of(stream), dy, x, target, dx, count, are_aligned(x, target, dx));
  });
}

}  // namespace

std::unique_ptr<Kernel> prepare_mean_squared_difference(const TensorType& x) {
  const std::int64_t count = x.shape.elements();
  return x.dtype == DType::f32 ? forward_as<float>(count) : forward_as<__nv_bfloat16>(count);
}

std::unique_ptr<Kernel> prepare_mean_squared_difference_backward(const TensorType& x) {
  const std::int64_t count = x.shape.elements();
  return x.dtype == DType::f32 ? backward_as<float>(count) : backward_as<__nv_bfloat16>(count);
}

}  // namespace engine::cuda
