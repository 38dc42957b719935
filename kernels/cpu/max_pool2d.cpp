#include <algorithm>

#include "engine/core/cpu/parallel.h"
#include "engine/core/cpu/simd.h"
#include "engine/kernels/cpu/max_pool2d_two_by_two.h"
#include "engine/kernels/cpu/pool_windows.h"

// Windows of any shape. Forward: a task is a row of windows, and each window is walked for a block
// of channels at a time. Backward gathers: every input pixel adds up the windows that chose it, so
// that dx is written once, in order, without a scatter.
namespace engine::cpu {
namespace {

struct Row {
  const Pool2dProblem* problem;
  MaxPool2dOp::Extras extras;
  std::int64_t index;  // n * oh + row of windows; backward: n * ih + row of pixels
};

template <class T, class Index>
ENGINE_ALWAYS_INLINE void max_of_block(const T* x, std::int64_t channels, std::int64_t position,
                                       bool is_first, float* best, Index* index) {
#pragma omp simd
  for (std::int64_t i = 0; i < channels; ++i) {
    const float value = load(x[i]);
    const bool take = is_first | (value > best[i]) | (value != value);
    best[i] = take ? value : best[i];
    index[i] = take ? static_cast<Index>(position) : index[i];
  }
}

template <class T, class Argmax>
ENGINE_ALWAYS_INLINE void max_row(const Row& row, const T* x, T* y, Argmax* argmax) {
  const Pool2dProblem& p = *row.problem;
  const PoolAxis v = vertical(p), h = horizontal(p);
  const std::int64_t oh = row.index % p.oh;
  const T* image = x + row.index / p.oh * p.ih * p.iw * p.c;
  const Span rows = v.inside(oh);
  for (std::int64_t ow = 0; ow < p.ow; ++ow) {
    const Span columns = h.inside(ow);
    const std::int64_t to = (row.index * p.ow + ow) * p.c;
    for (std::int64_t c = 0; c < p.c; c += kChannelBlock) {
      const std::int64_t channels = std::min(kChannelBlock, p.c - c);
      float best[kChannelBlock];
      std::int32_t index[kChannelBlock];
      bool is_first = true;
      for (std::int64_t ih = rows.begin; ih < rows.end; ++ih) {
        for (std::int64_t iw = columns.begin; iw < columns.end; ++iw) {
          const std::int64_t position = v.offset(ih, oh) * h.window + h.offset(iw, ow);
          max_of_block(image + (ih * p.iw + iw) * p.c + c, channels, position, is_first, best,
                       index);
          is_first = false;
        }
      }
      const bool relu = row.extras.activation == Activation::relu;
      for (std::int64_t i = 0; i < channels; ++i) {
        const bool dead = relu && best[i] <= 0.0f;
        y[to + c + i] = store<T>(dead ? 0.0f : best[i]);
        if (argmax != nullptr) argmax[to + c + i] = static_cast<Argmax>(dead ? -1 : index[i]);
      }
    }
  }
}

template <class T, class Argmax>
ENGINE_ALWAYS_INLINE void backward_row(const Row& row, const T* dy, const Argmax* argmax, T* dx) {
  const Pool2dProblem& p = *row.problem;
  const PoolAxis v = vertical(p), h = horizontal(p);
  const std::int64_t ih = row.index % p.ih, first = row.index / p.ih * p.oh;
  const Span rows = v.covering(ih);
  for (std::int64_t iw = 0; iw < p.iw; ++iw) {
    const Span columns = h.covering(iw);
    T* to = dx + (row.index * p.iw + iw) * p.c;
    for (std::int64_t c = 0; c < p.c; c += kChannelBlock) {
      const std::int64_t channels = std::min(kChannelBlock, p.c - c);
      float sum[kChannelBlock];
      std::fill_n(sum, channels, 0.0f);
      for (std::int64_t oh = rows.begin; oh < rows.end; ++oh) {
        for (std::int64_t ow = columns.begin; ow < columns.end; ++ow) {
          const auto position = static_cast<Argmax>(v.offset(ih, oh) * h.window + h.offset(iw, ow));
          const std::int64_t from = ((first + oh) * p.ow + ow) * p.c + c;
#pragma omp simd
          for (std::int64_t i = 0; i < channels; ++i) {
            sum[i] += argmax[from + i] == position ? load(dy[from + i]) : 0.0f;
          }
        }
      }
#pragma omp simd
      for (std::int64_t i = 0; i < channels; ++i) to[c + i] = store<T>(sum[i]);
    }
  }
}

#define ENGINE_MAX_POOL_ROWS(T, Argmax)                                                           \
  ENGINE_CPU_CLONES void max_pool_row(const Row& row, const T* x, T* y, Argmax* argmax) {         \
    max_row(row, x, y, argmax);                                                                   \
  }                                                                                               \
  ENGINE_CPU_CLONES void max_pool_backward_row(const Row& row, const T* dy, const Argmax* argmax, \
                                               T* dx) {                                           \
    backward_row(row, dy, argmax, dx);                                                            \
  }
ENGINE_MAX_POOL_ROWS(float, std::uint8_t)
ENGINE_MAX_POOL_ROWS(float, std::int32_t)
ENGINE_MAX_POOL_ROWS(BFloat16, std::uint8_t)
ENGINE_MAX_POOL_ROWS(BFloat16, std::int32_t)
#undef ENGINE_MAX_POOL_ROWS

template <class T, class Argmax>
std::unique_ptr<Kernel> forward_kernel(const Pool2dProblem& problem, MaxPool2dOp::Extras extras) {
  return make_kernel(
      [=](const Stream& stream, const Buffers& buffers) {
        Argmax* argmax = extras.argmax ? buffers.out<Argmax>(1) : nullptr;
        parallel_for(
            stream, problem.n * problem.oh, problem.ow * problem.c * problem.window_size(),
            [&](std::int64_t begin, std::int64_t end) {
              for (std::int64_t i = begin; i < end; ++i) {
                max_pool_row({&problem, extras, i}, buffers.in<T>(0), buffers.out<T>(0), argmax);
              }
            });
      },
      0, "any window");
}

template <class T, class Argmax>
std::unique_ptr<Kernel> backward_kernel(const Pool2dProblem& problem) {
  return make_kernel(
      [=](const Stream& stream, const Buffers& buffers) {
        parallel_for(stream, problem.n * problem.ih, problem.iw * problem.c,
                     [&](std::int64_t begin, std::int64_t end) {
                       for (std::int64_t i = begin; i < end; ++i) {
                         max_pool_backward_row({&problem, {}, i}, buffers.in<T>(0),
                                               buffers.in<Argmax>(1), buffers.out<T>(0));
                       }
                     });
      },
      0, "any window");
}

}  // namespace

std::unique_ptr<Kernel> prepare_max_pool2d(const Pool2dProblem& problem, MaxPool2dOp::Extras extras,
                                           DType dtype) {
  if (problem.is_two_by_two()) {
    return prepare_max_pool2d_two_by_two(problem, extras, dtype);
  }
  const bool small = problem.window_size() <= 255;
  if (dtype == DType::f32) {
    return small ? forward_kernel<float, std::uint8_t>(problem, extras)
                 : forward_kernel<float, std::int32_t>(problem, extras);
  }
  return small ? forward_kernel<BFloat16, std::uint8_t>(problem, extras)
               : forward_kernel<BFloat16, std::int32_t>(problem, extras);
}

std::unique_ptr<Kernel> prepare_max_pool2d_backward(const Pool2dProblem& problem, DType dtype) {
  if (problem.is_two_by_two()) {
    return prepare_max_pool2d_backward_two_by_two(problem, dtype);
  }
  const bool small = problem.window_size() <= 255;
  if (dtype == DType::f32) {
    return small ? backward_kernel<float, std::uint8_t>(problem)
                 : backward_kernel<float, std::int32_t>(problem);
  }
  return small ? backward_kernel<BFloat16, std::uint8_t>(problem)
               : backward_kernel<BFloat16, std::int32_t>(problem);
}

}  // namespace engine::cpu
