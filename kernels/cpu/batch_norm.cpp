#include "engine/kernels/batch_norm.h"

#include <algorithm>
#include <cmath>

#include "engine/core/cpu/parallel.h"
#include "engine/core/cpu/simd.h"

// Two passes over memory in each direction. The first cuts the rows into blocks that stay in L2: a
// block's mean is taken, then the squares around it, and the blocks are combined in order. The
// second is element-wise. Rows of few channels are seen several side by side (`fold`), with the
// per-channel numbers repeated, so that every loop is at least kWidth long.
namespace engine::cpu {
namespace {

constexpr std::int64_t kWidth = 512;
constexpr std::int64_t kBlockElements = 16 * 1024;

struct Layout {
  std::int64_t rows, channels;
  std::int64_t fold, width;  // rows side by side; fold * channels
  std::int64_t block_rows, blocks;

  explicit Layout(const BatchNormProblem& p) : rows(p.rows), channels(p.channels), fold(1) {
    while (channels > 0 && fold * channels < kWidth) fold *= 2;
    width = fold * channels;
    block_rows =
        std::max<std::int64_t>(kBlockElements / std::max<std::int64_t>(width, 1), 1) * fold;
    blocks = (rows + block_rows - 1) / block_rows;
  }
  std::int64_t block_elements(std::int64_t block) const {
    return std::min(block_rows, rows - block * block_rows) * channels;
  }
};

// Halves of the folded rows onto each other until one row is left.
ENGINE_ALWAYS_INLINE void fold_rows(float* sums, std::int64_t width, std::int64_t channels) {
  for (; width > channels; width /= 2) {
#pragma omp simd
    for (std::int64_t i = 0; i < width / 2; ++i) sums[i] += sums[i + width / 2];
  }
}

ENGINE_ALWAYS_INLINE void repeat_row(float* row, std::int64_t channels, std::int64_t width) {
  for (std::int64_t i = channels; i < width; ++i) row[i] = row[i - channels];
}

struct Block {
  std::int64_t count, width, channels;
};

// mean[0..c) and, around it, the sum of squares squares[0..c) of one block; both have `width` room.
template <class T>
ENGINE_ALWAYS_INLINE void block_statistics(const T* x, const Block& block, float* mean,
                                           float* squares) {
  const auto [count, width, channels] = block;
  std::fill_n(mean, width, 0.0f);
  for (std::int64_t at = 0; at < count; at += width) {
    const std::int64_t run = std::min(width, count - at);
#pragma omp simd
    for (std::int64_t i = 0; i < run; ++i) mean[i] += load(x[at + i]);
  }
  fold_rows(mean, width, channels);
  const auto rows = static_cast<float>(count / channels);
  for (std::int64_t i = 0; i < channels; ++i) mean[i] /= rows;
  repeat_row(mean, channels, width);
  std::fill_n(squares, width, 0.0f);
  for (std::int64_t at = 0; at < count; at += width) {
    const std::int64_t run = std::min(width, count - at);
#pragma omp simd
    for (std::int64_t i = 0; i < run; ++i) {
      const float centered = load(x[at + i]) - mean[i];
      squares[i] += centered * centered;
    }
  }
  fold_rows(squares, width, channels);
}

// y = (x - mean) * factor + shift; the difference first, so that a large mean costs nothing.
template <class T>
ENGINE_ALWAYS_INLINE void normalize(const T* x, const Block& block, const float* tiles, T* y) {
  const auto [count, width, channels] = block;
  const float *mean = tiles, *factor = tiles + width, *shift = tiles + 2 * width;
  for (std::int64_t at = 0; at < count; at += width) {
    const std::int64_t run = std::min(width, count - at);
#pragma omp simd
    for (std::int64_t i = 0; i < run; ++i) {
      y[at + i] = store<T>((load(x[at + i]) - mean[i]) * factor[i] + shift[i]);
    }
  }
}

// Sums of dy and of dy * (x - mean) over one block.
template <class T>
ENGINE_ALWAYS_INLINE void block_gradients(const T* dy, const T* x, const Block& block,
                                          const float* mean, float* sums) {
  const auto [count, width, channels] = block;
  float* products = sums + width;
  std::fill_n(sums, 2 * width, 0.0f);
  for (std::int64_t at = 0; at < count; at += width) {
    const std::int64_t run = std::min(width, count - at);
#pragma omp simd
    for (std::int64_t i = 0; i < run; ++i) {
      const float g = load(dy[at + i]);
      sums[i] += g;
      products[i] += g * (load(x[at + i]) - mean[i]);
    }
  }
  fold_rows(sums, width, channels);
  fold_rows(products, width, channels);
}

// dx = factor * (dy - mean_dy - (x - mean) * slope)
template <class T>
ENGINE_ALWAYS_INLINE void backward(const T* dy, const T* x, const Block& block, const float* tiles,
                                   T* dx) {
  const auto [count, width, channels] = block;
  const float *mean = tiles, *factor = tiles + width;
  const float *mean_dy = tiles + 2 * width, *slope = tiles + 3 * width;
  for (std::int64_t at = 0; at < count; at += width) {
    const std::int64_t run = std::min(width, count - at);
#pragma omp simd
    for (std::int64_t i = 0; i < run; ++i) {
      const float centered = load(x[at + i]) - mean[i];
      dx[at + i] = store<T>(factor[i] * (load(dy[at + i]) - mean_dy[i] - centered * slope[i]));
    }
  }
}

#define ENGINE_BATCH_NORM_LOOPS(T)                                                           \
  ENGINE_CPU_CLONES void statistics_of(const T* x, const Block& block, float* mean,          \
                                       float* squares) {                                     \
    block_statistics(x, block, mean, squares);                                               \
  }                                                                                          \
  ENGINE_CPU_CLONES void normalize_block(const T* x, const Block& block, const float* tiles, \
                                         T* y) {                                             \
    normalize(x, block, tiles, y);                                                           \
  }                                                                                          \
  ENGINE_CPU_CLONES void gradients_of(const T* dy, const T* x, const Block& block,           \
                                      const float* mean, float* sums) {                      \
    block_gradients(dy, x, block, mean, sums);                                               \
  }                                                                                          \
  ENGINE_CPU_CLONES void backward_block(const T* dy, const T* x, const Block& block,         \
                                        const float* tiles, T* dx) {                         \
    backward(dy, x, block, tiles, dx);                                                       \
  }
ENGINE_BATCH_NORM_LOOPS(float)
ENGINE_BATCH_NORM_LOOPS(BFloat16)
#undef ENGINE_BATCH_NORM_LOOPS

// body(block index, offset of its first element, extents) over all blocks, in parallel.
template <class Body>
void for_blocks(const Stream& stream, const Layout& layout, const Body& body) {
  parallel_for(stream, layout.blocks, layout.block_rows * layout.channels,
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t i = begin; i < end; ++i) {
                   body(i, i * layout.block_rows * layout.channels,
                        Block{layout.block_elements(i), layout.width, layout.channels});
                 }
               });
}

// Mean and biased variance of every channel from those of the blocks, in order, in double.
void combine(const Layout& layout, const float* blocks, float* mean, float* variance) {
  for (std::int64_t c = 0; c < layout.channels; ++c) {
    double total = 0, average = 0, squares = 0;
    for (std::int64_t block = 0; block < layout.blocks; ++block) {
      const float* from = blocks + 2 * block * layout.width;
      const auto count = static_cast<double>(layout.block_elements(block) / layout.channels);
      const double difference = from[c] - average;
      const double both = total + count;
      average += difference * (count / both);
      squares += from[layout.width + c] + difference * difference * (total * count / both);
      total = both;
    }
    mean[c] = static_cast<float>(layout.rows > 0 ? average : NAN);
    variance[c] = static_cast<float>(layout.rows > 0 ? squares / total : NAN);
  }
}

struct ChannelInputs {
  const float *scale, *shift, *mean, *variance;
};

void fill_tiles(const Layout& layout, const ChannelInputs& in, float epsilon, float* tiles) {
  const std::int64_t width = layout.width;
  for (std::int64_t c = 0; c < layout.channels; ++c) {
    tiles[c] = in.mean[c];
    tiles[width + c] = in.scale[c] / std::sqrt(in.variance[c] + epsilon);
    tiles[2 * width + c] = in.shift[c];
  }
  for (int i = 0; i < 3; ++i) repeat_row(tiles + i * width, layout.channels, width);
}

template <class T>
void normalize_all(const Stream& stream, const Layout& layout, const T* x, const float* tiles,
                   T* y) {
  for_blocks(stream, layout, [&](std::int64_t, std::int64_t at, const Block& block) {
    normalize_block(x + at, block, tiles, y + at);
  });
}

constexpr std::int64_t kFloat = sizeof(float);

template <class T>
std::unique_ptr<Kernel> training_kernel(const BatchNormProblem& problem) {
  const Layout layout(problem);
  return make_kernel(
      [=](const Stream& stream, const Buffers& buffers) {
        const T* x = buffers.in<T>(0);
        auto* tiles = static_cast<float*>(buffers.scratch);
        float* blocks = tiles + 3 * layout.width;
        for_blocks(stream, layout, [&](std::int64_t i, std::int64_t at, const Block& block) {
          float* mean = blocks + 2 * i * layout.width;
          statistics_of(x + at, block, mean, mean + layout.width);
        });
        float *mean = buffers.out<float>(1), *variance = buffers.out<float>(2);
        combine(layout, blocks, mean, variance);
        fill_tiles(layout, {buffers.in<float>(1), buffers.in<float>(2), mean, variance},
                   problem.epsilon, tiles);
        normalize_all(stream, layout, x, tiles, buffers.out<T>(0));
      },
      (3 + 2 * layout.blocks) * layout.width * kFloat);
}

template <class T>
std::unique_ptr<Kernel> inference_kernel(const BatchNormProblem& problem) {
  const Layout layout(problem);
  return make_kernel(
      [=](const Stream& stream, const Buffers& buffers) {
        auto* tiles = static_cast<float*>(buffers.scratch);
        fill_tiles(layout,
                   {buffers.in<float>(1), buffers.in<float>(2), buffers.in<float>(3),
                    buffers.in<float>(4)},
                   problem.epsilon, tiles);
        normalize_all(stream, layout, buffers.in<T>(0), tiles, buffers.out<T>(0));
      },
      3 * layout.width * kFloat);
}

// dscale, dshift and the tiles of the second pass from the sums of the blocks.
void combine_gradients(const Layout& layout, const ChannelInputs& in, float epsilon, float* tiles,
                       const float* blocks, float* dscale, float* dshift) {
  const std::int64_t width = layout.width;
  const auto rows = static_cast<double>(layout.rows);
  for (std::int64_t c = 0; c < layout.channels; ++c) {
    double sum = 0, product = 0;
    for (std::int64_t block = 0; block < layout.blocks; ++block) {
      sum += blocks[2 * block * width + c];
      product += blocks[(2 * block + 1) * width + c];
    }
    const double rstd = 1 / std::sqrt(static_cast<double>(in.variance[c]) + epsilon);
    dshift[c] = static_cast<float>(sum);
    dscale[c] = static_cast<float>(product * rstd);
    tiles[width + c] = static_cast<float>(in.scale[c] * rstd);
    tiles[2 * width + c] = static_cast<float>(sum / rows);
    tiles[3 * width + c] = static_cast<float>(product * rstd * rstd / rows);
  }
  for (int i = 1; i < 4; ++i) repeat_row(tiles + i * width, layout.channels, width);
}

template <class T>
std::unique_ptr<Kernel> backward_kernel(const BatchNormProblem& problem) {
  const Layout layout(problem);
  return make_kernel(
      [=](const Stream& stream, const Buffers& buffers) {
        const T *dy = buffers.in<T>(0), *x = buffers.in<T>(1);
        T* dx = buffers.out<T>(0);
        const ChannelInputs channels{buffers.in<float>(2), nullptr, buffers.in<float>(3),
                                     buffers.in<float>(4)};
        auto* tiles = static_cast<float*>(buffers.scratch);
        float* blocks = tiles + 4 * layout.width;
        std::copy_n(channels.mean, layout.channels, tiles);
        repeat_row(tiles, layout.channels, layout.width);
        for_blocks(stream, layout, [&](std::int64_t i, std::int64_t at, const Block& block) {
          gradients_of(dy + at, x + at, block, tiles, blocks + 2 * i * layout.width);
        });
        combine_gradients(layout, channels, problem.epsilon, tiles, blocks, buffers.out<float>(1),
                          buffers.out<float>(2));
        for_blocks(stream, layout, [&](std::int64_t, std::int64_t at, const Block& block) {
          backward_block(dy + at, x + at, block, tiles, dx + at);
        });
      },
      (4 + 2 * layout.blocks) * layout.width * kFloat);
}

}  // namespace

std::unique_ptr<Kernel> prepare_batch_norm_training(const BatchNormProblem& problem) {
  if (problem.dtype == DType::f32) return training_kernel<float>(problem);
  return training_kernel<BFloat16>(problem);
}

std::unique_ptr<Kernel> prepare_batch_norm_inference(const BatchNormProblem& problem) {
  if (problem.dtype == DType::f32) return inference_kernel<float>(problem);
  return inference_kernel<BFloat16>(problem);
}

std::unique_ptr<Kernel> prepare_batch_norm_backward(const BatchNormProblem& problem) {
  if (problem.dtype == DType::f32) return backward_kernel<float>(problem);
  return backward_kernel<BFloat16>(problem);
}

}  // namespace engine::cpu
