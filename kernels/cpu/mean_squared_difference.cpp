// Bound by reading x and the target once.
#include "engine/kernels/mean_squared_difference.h"

#include <algorithm>
#include <limits>

#include "engine/core/cpu/parallel.h"
#include "engine/core/cpu/simd.h"

namespace engine::cpu {
namespace {

constexpr std::int64_t kBlock = 4096;

template <class T>
ENGINE_ALWAYS_INLINE float block_sum(const T* x, const float* target, std::int64_t count) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < count; ++i) {
    const float difference = load(x[i]) - target[i];
    sum += difference * difference;
  }
  return sum;
}

template <class T>
ENGINE_ALWAYS_INLINE void backward_loop(const T* x, const float* target, float factor, T* dx,
                                        std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    dx[i] = store<T>(factor * (load(x[i]) - target[i]));
  }
}

ENGINE_CPU_CLONES float sum_f32(const float* x, const float* target, std::int64_t count) {
  return block_sum(x, target, count);
}
ENGINE_CPU_CLONES float sum_bf16(const BFloat16* x, const float* target, std::int64_t count) {
  return block_sum(x, target, count);
}
ENGINE_CPU_CLONES void backward_f32(const float* x, const float* target, float factor, float* dx,
                                    std::int64_t count) {
  backward_loop(x, target, factor, dx, count);
}
ENGINE_CPU_CLONES void backward_bf16(const BFloat16* x, const float* target, float factor,
                                     BFloat16* dx, std::int64_t count) {
  backward_loop(x, target, factor, dx, count);
}

template <class T>
std::unique_ptr<Kernel> forward_kernel(float (*sum)(const T*, const float*, std::int64_t),
                                       std::int64_t count) {
  const std::int64_t blocks = (count + kBlock - 1) / kBlock;
  return make_kernel(
      [=](const Stream& stream, const Buffers& buffers) {
        const T* x = buffers.in<T>(0);
        const float* target = buffers.in<float>(1);
        auto* sums = static_cast<double*>(buffers.scratch);
        parallel_for(stream, blocks, kBlock, [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t block = begin; block < end; ++block) {
            const std::int64_t at = block * kBlock;
            sums[block] = sum(x + at, target + at, std::min(kBlock, count - at));
          }
        });
        double total = 0;
        for (std::int64_t block = 0; block < blocks; ++block) total += sums[block];
        *buffers.out<float>(0) = count == 0
                                     ? std::numeric_limits<float>::quiet_NaN()
                                     : static_cast<float>(total / static_cast<double>(count));
      },
      blocks * static_cast<std::int64_t>(sizeof(double)));
}

template <class T>
std::unique_ptr<Kernel> backward_kernel(void (*loop)(const T*, const float*, float, T*,
                                                     std::int64_t),
                                        std::int64_t count) {
  return make_kernel([=](const Stream& stream, const Buffers& buffers) {
    const float factor = *buffers.in<float>(0) * 2.0f / static_cast<float>(count);
    parallel_for(
        stream, count, 1,
        [&](std::int64_t begin, std::int64_t end) {
          loop(buffers.in<T>(1) + begin, buffers.in<float>(2) + begin, factor,
               buffers.out<T>(0) + begin, end - begin);
        },
        64);
  });
}

}  // namespace

std::unique_ptr<Kernel> prepare_mean_squared_difference(const TensorType& x) {
  const std::int64_t count = x.shape.elements();
  if (x.dtype == DType::f32) return forward_kernel(sum_f32, count);
  return forward_kernel(sum_bf16, count);
}

std::unique_ptr<Kernel> prepare_mean_squared_difference_backward(const TensorType& x) {
  const std::int64_t count = x.shape.elements();
  if (x.dtype == DType::f32) return backward_kernel(backward_f32, count);
  return backward_kernel(backward_bf16, count);
}

}  // namespace engine::cpu
