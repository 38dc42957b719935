#include <algorithm>

#include "engine/core/cpu/parallel.h"
#include "engine/core/cpu/simd.h"
#include "engine/kernels/cpu/lanes.h"
#include "engine/kernels/cpu/pool_windows.h"

// As cpu/max_pool2d.cpp: rows of windows forward, a gather over input rows backward. Bound by
// memory where windows do not overlap.
namespace engine::cpu {
namespace {

// What the sum of a window is multiplied by: a division for each element would be the slowest part.
float scale_of(const Pool2dProblem& p, std::int64_t oh, std::int64_t ow) {
  const PoolAxis v = vertical(p), h = horizontal(p);
  if (p.options.count_include_padding) {
    return 1.0f / static_cast<float>(v.padded_extent(oh) * h.padded_extent(ow));
  }
  const Span rows = v.inside(oh), columns = h.inside(ow);
  return 1.0f / static_cast<float>((rows.end - rows.begin) * (columns.end - columns.begin));
}

template <class T>
ENGINE_ALWAYS_INLINE void add_scaled(const T* x, float scale, std::int64_t count, float* sum) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) sum[i] += scale * load(x[i]);
}

template <class T>
ENGINE_ALWAYS_INLINE void store_scaled(const float* sum, float scale, std::int64_t count, T* y) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) y[i] = store<T>(sum[i] * scale);
}

template <class T>
ENGINE_ALWAYS_INLINE void average_row(const Pool2dProblem& p, std::int64_t row, const T* x, T* y) {
  const PoolAxis v = vertical(p), h = horizontal(p);
  const std::int64_t oh = row % p.oh;
  const T* image = x + row / p.oh * p.ih * p.iw * p.c;
  const Span rows = v.inside(oh);
  for (std::int64_t ow = 0; ow < p.ow; ++ow) {
    const Span columns = h.inside(ow);
    const float scale = scale_of(p, oh, ow);
    for (std::int64_t c = 0; c < p.c; c += kChannelBlock) {
      const std::int64_t channels = std::min(kChannelBlock, p.c - c);
      float sum[kChannelBlock];
      std::fill_n(sum, channels, 0.0f);
      for (std::int64_t ih = rows.begin; ih < rows.end; ++ih) {
        for (std::int64_t iw = columns.begin; iw < columns.end; ++iw) {
          add_scaled(image + (ih * p.iw + iw) * p.c + c, 1.0f, channels, sum);
        }
      }
      store_scaled(sum, scale, channels, y + (row * p.ow + ow) * p.c + c);
    }
  }
}

template <class T>
ENGINE_ALWAYS_INLINE void scale_pixel(const T* dy, float scale, std::int64_t channels, T* dx) {
  std::int64_t c = 0;
  for (; c + kLanes <= channels; c += kLanes) {
    Lanes lanes;
    load_lanes(dy + c, lanes);
    lanes *= scale;
    store_lanes(lanes, dx + c);
  }
  for (; c < channels; ++c) dx[c] = store<T>(load(dy[c]) * scale);
}

// Where no windows overlap: each goes to its own pixels.
template <class T>
ENGINE_ALWAYS_INLINE void spread_row(const Pool2dProblem& p, std::int64_t row, const T* dy, T* dx) {
  const PoolAxis v = vertical(p), h = horizontal(p);
  const Span rows = v.covering(row % p.ih);
  const T* windows = dy + (row / p.ih * p.oh + rows.begin) * p.ow * p.c;
  T* pixels = dx + row * p.iw * p.c;
  for (std::int64_t iw = 0; iw < p.iw;) {
    const Span columns = h.covering(iw);
    if (rows.begin >= rows.end || columns.begin >= columns.end) {
      std::fill_n(pixels + iw * p.c, p.c, store<T>(0.0f));
      ++iw;
      continue;
    }
    const float scale = scale_of(p, rows.begin, columns.begin);
    for (const std::int64_t end = h.inside(columns.begin).end; iw < end; ++iw) {
      scale_pixel(windows + columns.begin * p.c, scale, p.c, pixels + iw * p.c);
    }
  }
}

template <class T>
ENGINE_ALWAYS_INLINE void backward_row(const Pool2dProblem& p, std::int64_t row, const T* dy,
                                       T* dx) {
  const PoolAxis v = vertical(p), h = horizontal(p);
  if (v.window <= v.stride && h.window <= h.stride) return spread_row(p, row, dy, dx);
  const std::int64_t first = row / p.ih * p.oh;
  const Span rows = v.covering(row % p.ih);
  for (std::int64_t iw = 0; iw < p.iw; ++iw) {
    const Span columns = h.covering(iw);
    for (std::int64_t c = 0; c < p.c; c += kChannelBlock) {
      const std::int64_t channels = std::min(kChannelBlock, p.c - c);
      float sum[kChannelBlock];
      std::fill_n(sum, channels, 0.0f);
      for (std::int64_t oh = rows.begin; oh < rows.end; ++oh) {
        for (std::int64_t ow = columns.begin; ow < columns.end; ++ow) {
          add_scaled(dy + ((first + oh) * p.ow + ow) * p.c + c, scale_of(p, oh, ow), channels, sum);
        }
      }
      store_scaled(sum, 1.0f, channels, dx + (row * p.iw + iw) * p.c + c);
    }
  }
}

#define ENGINE_AVERAGE_POOL_ROWS(T)                                                               \
  ENGINE_CPU_CLONES void forward(const Pool2dProblem& p, std::int64_t row, const T* x, T* y) {    \
    average_row(p, row, x, y);                                                                    \
  }                                                                                               \
  ENGINE_CPU_CLONES void backward(const Pool2dProblem& p, std::int64_t row, const T* dy, T* dx) { \
    backward_row(p, row, dy, dx);                                                                 \
  }
ENGINE_AVERAGE_POOL_ROWS(float)
ENGINE_AVERAGE_POOL_ROWS(BFloat16)
#undef ENGINE_AVERAGE_POOL_ROWS

template <class T>
std::unique_ptr<Kernel> rows_kernel(const Pool2dProblem& problem, std::int64_t rows,
                                    void (*body)(const Pool2dProblem&, std::int64_t, const T*,
                                                 T*)) {
  return make_kernel([=](const Stream& stream, const Buffers& buffers) {
    parallel_for(stream, rows, problem.iw * problem.c, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        body(problem, row, buffers.in<T>(0), buffers.out<T>(0));
      }
    });
  });
}

}  // namespace

std::unique_ptr<Kernel> prepare_average_pool2d(const Pool2dProblem& problem, DType dtype) {
  const std::int64_t rows = problem.n * problem.oh;
  if (dtype == DType::f32) return rows_kernel<float>(problem, rows, forward);
  return rows_kernel<BFloat16>(problem, rows, forward);
}

std::unique_ptr<Kernel> prepare_average_pool2d_backward(const Pool2dProblem& problem, DType dtype) {
  const std::int64_t rows = problem.n * problem.ih;
  if (dtype == DType::f32) return rows_kernel<float>(problem, rows, backward);
  return rows_kernel<BFloat16>(problem, rows, backward);
}

}  // namespace engine::cpu
