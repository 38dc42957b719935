// batch_norm on CUDA: two passes over memory in each direction, per-channel sums (column_sums.h)
// and then element by element.
#include <cstdint>

#include "engine/kernels/batch_norm.h"
#include "engine/kernels/cuda/column_sums.h"
#include "engine/kernels/cuda/repeated.h"

namespace engine::cuda {

namespace {

using cpu::BatchNormProblem;

constexpr int kThreads = 256;

template <int kSums, int kElements>
using Sums = float[kSums][kElements];

// Mean and biased variance of each channel. A thread keeps the running mean and the squares around
// it (Welford 1962, "Note on a method for calculating corrected sums of squares and products");
// parts are combined as in Chan, Golub and LeVeque 1979.
template <class T>
struct Statistics {
  static constexpr int kElements = kPackElements<T>;
  static constexpr int kSums = 3;  // mean, squares, count

  const T* x;
  float *mean, *variance;

  __device__ void begin(std::int64_t) const {}
  template <bool kIsWhole>
  __device__ void add(std::int64_t element, std::int64_t left, std::int64_t count,
                      Sums<kSums, kElements>& sums) const {
    float values[kElements];
    if constexpr (kIsWhole) {
      load_whole_pack(x + element, values);
    } else {
      load_single(x + element, left, values);
    }
    const float weight = 1.0f / static_cast<float>(count);
#pragma unroll
    for (int i = 0; i < kElements; ++i) {
      if (!kIsWhole && i >= left) continue;
      const float difference = values[i] - sums[0][i];
      sums[0][i] += difference * weight;
      sums[1][i] += difference * (values[i] - sums[0][i]);
    }
  }
  __device__ void end(int i, std::int64_t count, Sums<kSums, kElements>& sums) const {
    sums[2][i] = static_cast<float>(count);
  }
  template <class Acc>
  __device__ static void merge(Acc (&a)[kSums], const Acc (&b)[kSums]) {
    const Acc count = a[2] + b[2];
    const Acc share = count == 0 ? Acc{0} : b[2] / count;
    const Acc difference = b[0] - a[0];
    a[1] += b[1] + difference * difference * (a[2] * share);
    a[0] += difference * share;
    a[2] = count;
  }
  template <class Acc>
  __device__ void finish(std::int64_t, std::int64_t channel, const Acc (&sums)[kSums]) const {
    mean[channel] = static_cast<float>(sums[2] == 0 ? Acc{NAN} : sums[0]);
    variance[channel] = static_cast<float>(sums[1] / sums[2]);
  }
};

// What the backward pass takes from each channel, besides the mean.
struct GradientFactors {
  float *factor, *mean_dy, *slope;
};

// Sums of dy and of dy * (x - mean), and what follows from them.
template <class T>
struct Gradients {
  static constexpr int kElements = kPackElements<T>;
  static constexpr int kSums = 2;

  const T *dy, *x;
  const float *scale, *mean, *variance;
  float *dscale, *dshift;
  GradientFactors factors;
  double rows, epsilon;
  std::int64_t channels;
  float means[kElements];  // of the thread's channels

  __device__ void begin(std::int64_t channel) {
#pragma unroll
    for (int i = 0; i < kElements; ++i) {
      means[i] = mean[channel];
      if (++channel == channels) channel = 0;
    }
  }
  template <bool kIsWhole>
  __device__ void add(std::int64_t element, std::int64_t left, std::int64_t,
                      Sums<kSums, kElements>& sums) const {
    float dys[kElements], xs[kElements];
    if constexpr (kIsWhole) {
      load_whole_pack(dy + element, dys);
      load_whole_pack(x + element, xs);
    } else {
      load_single(dy + element, left, dys);
      load_single(x + element, left, xs);
    }
#pragma unroll
    for (int i = 0; i < kElements; ++i) {
      if (!kIsWhole && i >= left) continue;
      sums[0][i] += dys[i];
      sums[1][i] += dys[i] * (xs[i] - means[i]);
    }
  }
  __device__ void end(int, std::int64_t, Sums<kSums, kElements>&) const {}
  template <class Acc>
  __device__ static void merge(Acc (&a)[kSums], const Acc (&b)[kSums]) {
    a[0] += b[0];
    a[1] += b[1];
  }
  template <class Acc>
  __device__ void finish(std::int64_t, std::int64_t channel, const Acc (&sums)[kSums]) const {
    const double sum = sums[0], product = sums[1];
    const double rstd = 1 / sqrt(static_cast<double>(variance[channel]) + epsilon);
    dshift[channel] = static_cast<float>(sum);
    dscale[channel] = static_cast<float>(product * rstd);
    factors.factor[channel] = static_cast<float>(scale[channel] * rstd);
    factors.mean_dy[channel] = static_cast<float>(sum / rows);
    factors.slope[channel] = static_cast<float>(product * rstd * rstd / rows);
  }
};

struct ChannelInputs {
  const float *scale, *shift, *mean, *variance;
};

// A walk of a thread over a [rows, channels] tensor: body(first) for packs of kElements, and before
// it, where the channels have changed, reload(index, left).
template <int kElements, class Reload, class Body>
__device__ void for_packs(const RepeatedWalk& walk, std::int64_t count, const Reload& reload,
                          const Body& body) {
  std::int64_t first = kElements * global_thread();
  RepeatedIndex index(walk.shape, first);
  for (bool is_loaded = false; first < count; first += walk.stride) {
    if (!is_loaded) {
      reload(index, count - first);
      index.advance(walk.step);
      is_loaded = walk.step.keeps_columns();
    }
    body(first);
  }
}

// y = (x - mean) * factor + shift; the difference first, so that a large mean costs nothing.
// Threads stride over x in packs of 16 bytes and keep their channels' numbers where the stride
// allows it. Floor: x read, y written once.
template <class T>
__global__ void __launch_bounds__(kThreads)
    batch_norm_kernel(const T* x, const __grid_constant__ ChannelInputs in,
                      const __grid_constant__ RepeatedWalk walk, float epsilon, T* y,
                      std::int64_t count, bool is_aligned) {
  constexpr int kElements = kPackElements<T>;
  float mean[kElements], factor[kElements], shift[kElements];
  const auto reload = [&](const RepeatedIndex& index, std::int64_t left) {
    float variance[kElements];
    load_repeated(in.mean, index, left, false, mean);
    load_repeated(in.variance, index, left, false, variance);
    load_repeated(in.scale, index, left, false, factor);
    load_repeated(in.shift, index, left, false, shift);
#pragma unroll
    for (int i = 0; i < kElements; ++i) factor[i] /= sqrtf(variance[i] + epsilon);
  };
  for_packs<kElements>(walk, count, reload, [&](std::int64_t first) {
    float values[kElements];
    load_pack(x, first, count, is_aligned, values);
#pragma unroll
    for (int i = 0; i < kElements; ++i) {
      values[i] = (values[i] - mean[i]) * factor[i] + shift[i];
    }
    store_pack(y, first, count, is_aligned, values);
  });
}

// dx = factor * (dy - mean_dy - (x - mean) * slope), threads as above. Floor: dy and x read, dx
// written once.
template <class T>
__global__ void __launch_bounds__(kThreads)
    batch_norm_backward_kernel(const T* dy, const T* x, const float* means,
                               const __grid_constant__ GradientFactors factors,
                               const __grid_constant__ RepeatedWalk walk, T* dx, std::int64_t count,
                               bool is_aligned) {
  constexpr int kElements = kPackElements<T>;
  float mean[kElements], factor[kElements], mean_dy[kElements], slope[kElements];
  const auto reload = [&](const RepeatedIndex& index, std::int64_t left) {
    load_repeated(means, index, left, false, mean);
    load_repeated(factors.factor, index, left, false, factor);
    load_repeated(factors.mean_dy, index, left, false, mean_dy);
    load_repeated(factors.slope, index, left, false, slope);
  };
  for_packs<kElements>(walk, count, reload, [&](std::int64_t first) {
    float dys[kElements], xs[kElements];
    load_pack(dy, first, count, is_aligned, dys);
    load_pack(x, first, count, is_aligned, xs);
#pragma unroll
    for (int i = 0; i < kElements; ++i) {
      dys[i] = factor[i] * (dys[i] - mean_dy[i] - (xs[i] - mean[i]) * slope[i]);
    }
    store_pack(dx, first, count, is_aligned, dys);
  });
}

template <class T>
RepeatedWalk walk_of(const BatchNormProblem& problem) {
  return repeated_walk({.repeats = problem.rows, .inner = problem.channels}, kThreads,
                       kPackElements<T>);
}

LaunchConfig config_for(const RepeatedWalk& walk) {
  return {.grid = dim3(walk.blocks), .block = dim3(kThreads)};
}

template <class T>
void normalize(const BatchNormProblem& problem, const ChannelInputs& in, const Stream& stream,
               const Buffers& buffers) {
  const T* x = buffers.in<T>(0);
  T* y = buffers.out<T>(0);
  const RepeatedWalk walk = walk_of<T>(problem);
  launch("batch_norm_kernel", batch_norm_kernel<T>, config_for(walk), stream_of(stream), x, in,
         walk, problem.epsilon, y, walk.shape.elements(), are_aligned(x, y));
}

template <class T>
std::unique_ptr<Kernel> training_kernel(const BatchNormProblem& problem) {
  const ColumnPlan plan = column_plan(1, problem.rows, problem.channels, kPackElements<T>);
  return make_kernel(
      [=](const Stream& stream, const Buffers& buffers) {
        const T* x = buffers.in<T>(0);
        float *mean = buffers.out<float>(1), *variance = buffers.out<float>(2);
        sum_columns(plan, Statistics<T>{x, mean, variance}, are_aligned(x), buffers.scratch,
                    stream);
        normalize<T>(problem, {buffers.in<float>(1), buffers.in<float>(2), mean, variance}, stream,
                     buffers);
      },
      column_scratch_bytes<Statistics<T>>(plan));
}

template <class T>
std::unique_ptr<Kernel> inference_kernel(const BatchNormProblem& problem) {
  return make_kernel([=](const Stream& stream, const Buffers& buffers) {
    const ChannelInputs in{buffers.in<float>(1), buffers.in<float>(2), buffers.in<float>(3),
                           buffers.in<float>(4)};
    normalize<T>(problem, in, stream, buffers);
  });
}

template <class T>
std::unique_ptr<Kernel> backward_kernel(const BatchNormProblem& problem) {
  const ColumnPlan plan = column_plan(1, problem.rows, problem.channels, kPackElements<T>);
  const std::int64_t sums_bytes = column_scratch_bytes<Gradients<T>>(plan);
  return make_kernel(
      [=](const Stream& stream, const Buffers& buffers) {
        const T *dy = buffers.in<T>(0), *x = buffers.in<T>(1);
        T* dx = buffers.out<T>(0);
        auto* numbers = reinterpret_cast<float*>(static_cast<char*>(buffers.scratch) + sums_bytes);
        const std::int64_t channels = problem.channels;
        const GradientFactors factors{numbers, numbers + channels, numbers + 2 * channels};
        const Gradients<T> source{.dy = dy,
                                  .x = x,
                                  .scale = buffers.in<float>(2),
                                  .mean = buffers.in<float>(3),
                                  .variance = buffers.in<float>(4),
                                  .dscale = buffers.out<float>(1),
                                  .dshift = buffers.out<float>(2),
                                  .factors = factors,
                                  .rows = static_cast<double>(problem.rows),
                                  .epsilon = problem.epsilon,
                                  .channels = channels,
                                  .means = {}};
        sum_columns(plan, source, are_aligned(dy, x), buffers.scratch, stream);
        const RepeatedWalk walk = walk_of<T>(problem);
        launch("batch_norm_backward_kernel", batch_norm_backward_kernel<T>, config_for(walk),
               stream_of(stream), dy, x, source.mean, factors, walk, dx, walk.shape.elements(),
               are_aligned(dy, x, dx));
      },
      sums_bytes + 3 * problem.channels * static_cast<std::int64_t>(sizeof(float)));
}

}  // namespace

std::unique_ptr<Kernel> prepare_batch_norm_training(const BatchNormProblem& problem) {
  if (problem.dtype == DType::f32) return training_kernel<float>(problem);
  return training_kernel<__nv_bfloat16>(problem);
}

std::unique_ptr<Kernel> prepare_batch_norm_inference(const BatchNormProblem& problem) {
  if (problem.dtype == DType::f32) return inference_kernel<float>(problem);
  return inference_kernel<__nv_bfloat16>(problem);
}

std::unique_ptr<Kernel> prepare_batch_norm_backward(const BatchNormProblem& problem) {
  if (problem.dtype == DType::f32) return backward_kernel<float>(problem);
  return backward_kernel<__nv_bfloat16>(problem);
}

}  // namespace engine::cuda
