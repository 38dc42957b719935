// reduce and reduce_backward on CUDA.
#include <cstdint>

#include "engine/kernels/cuda/column_sums.h"
#include "engine/kernels/cuda/repeated.h"
#include "engine/kernels/reduce.h"

namespace engine::cuda {

namespace {

constexpr int kThreads = 256;

// The Source (column_sums.h) of a tensor's own elements.
template <class T>
struct SumOf {
  static constexpr int kElements = kPackElements<T>;
  static constexpr int kSums = 1;

  const T* x;
  float* y;
  std::int64_t columns;
  float divisor;

  __device__ void begin(std::int64_t) const {}
  template <bool kIsWhole>
  __device__ void add(std::int64_t element, std::int64_t left, std::int64_t,
                      float (&sums)[kSums][kElements]) const {
    float values[kElements];
    if constexpr (kIsWhole) {
      load_whole_pack(x + element, values);
    } else {
      load_single(x + element, left, values);
    }
#pragma unroll
    for (int i = 0; i < kElements; ++i) sums[0][i] += values[i];
  }
  __device__ void end(int, std::int64_t, float (&)[kSums][kElements]) const {}
  template <class Acc>
  __device__ static void merge(Acc (&a)[kSums], const Acc (&b)[kSums]) {
    a[0] += b[0];
  }
  template <class Acc>
  __device__ void finish(std::int64_t outer, std::int64_t column, const Acc (&sums)[kSums]) const {
    y[outer * columns + column] = static_cast<float>(sums[0]) / divisor;
  }
};

// Threads stride over dx in packs of 16 bytes. Floor: dy read, dx written once.
template <class T>
__global__ void __launch_bounds__(kThreads)
    reduce_backward_kernel(const T* dy, const __grid_constant__ RepeatedWalk walk, float divisor,
                           T* dx, std::int64_t count, bool dy_is_aligned, bool dx_is_aligned) {
  constexpr int kElements = kPackElements<T>;
  std::int64_t first = kElements * global_thread();
  RepeatedIndex index(walk.shape, first);
  const bool keeps_values = walk.shape.outer == 1 && walk.step.keeps_columns();
  float values[kElements];
  for (bool is_loaded = false; first < count; first += walk.stride) {
    if (!is_loaded) {
      load_repeated(dy, index, count - first, dy_is_aligned, values);
#pragma unroll
      for (int i = 0; i < kElements; ++i) values[i] /= divisor;
      index.advance(walk.step);
      is_loaded = keeps_values;
    }
    store_pack(dx, first, count, dx_is_aligned, values);
  }
}

float divisor_of(ReduceMember member, const ReduceExtents& extents) {
  return member == ReduceMember::mean ? static_cast<float>(extents.reduced) : 1.0f;
}

template <class T>
std::unique_ptr<Kernel> reduce_as(const ReduceExtents& extents, float divisor) {
  const ColumnPlan plan =
      column_plan(extents.outer, extents.reduced, extents.inner, kPackElements<T>);
  return make_kernel(
      [=](const Stream& stream, const Buffers& buffers) {
        const SumOf<T> source{buffers.in<T>(0), buffers.out<float>(0), plan.columns, divisor};
        sum_columns(plan, source, are_aligned(source.x), buffers.scratch, stream);
      },
      column_scratch_bytes<SumOf<T>>(plan));
}

template <class T>
std::unique_ptr<Kernel> backward_as(const ReduceExtents& extents, float divisor) {
  const RepeatedWalk walk =
      repeated_walk({extents.outer, extents.reduced, extents.inner}, kThreads, kPackElements<T>);
  return make_kernel([=](const Stream& stream, const Buffers& buffers) {
    const T* dy = buffers.in<T>(0);
    T* dx = buffers.out<T>(0);
    const bool dy_is_aligned = walk.shape.inner % kPackElements<T> == 0 && are_aligned(dy);
    launch("reduce_backward_kernel", reduce_backward_kernel<T>,
           {.grid = dim3(walk.blocks), .block = dim3(kThreads)}, stream_of(stream), dy, walk,
           divisor, dx, walk.shape.elements(), dy_is_aligned, are_aligned(dx));
  });
}

}  // namespace

std::unique_ptr<Kernel> prepare_reduce(ReduceMember member, const ReduceExtents& extents,
                                       DType dtype) {
  const float divisor = divisor_of(member, extents);
  return dtype == DType::f32 ? reduce_as<float>(extents, divisor)
                             : reduce_as<__nv_bfloat16>(extents, divisor);
}

std::unique_ptr<Kernel> prepare_reduce_backward(ReduceMember member, const ReduceExtents& extents,
                                                DType dtype) {
  const float divisor = divisor_of(member, extents);
  return dtype == DType::f32 ? backward_as<float>(extents, divisor)
                             : backward_as<__nv_bfloat16>(extents, divisor);
}

}  // namespace engine::cuda
