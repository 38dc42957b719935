// normalize_images and random_geometry on CUDA.
#include <algorithm>
#include <cstdint>

#include "engine/core/cuda/device_code.h"
#include "engine/core/cuda/launch.h"
#include "engine/kernels/cpu/image.h"
#include "engine/kernels/cuda/random_code.h"

namespace engine::cuda {

namespace {

constexpr int kThreads = 256;

// --- normalize_images ---

constexpr int kMostChannels = 256;
constexpr std::int64_t kMostBlocks = 2048;  // enough to fill a GPU
constexpr int kLeastPacks = 2;              // a thread, where there are enough

struct ChannelTable {
  float scale[kMostChannels], shift[kMostChannels];
};

// A thread writes 16 bytes at a time. The number of blocks is a multiple of the channels, so that
// from one pack to the next a thread stays with the same channels, whose factors it keeps.
// Floor: one byte in, four or two out for each element.
template <class T>
__global__ void __launch_bounds__(kThreads)
    normalize_images_kernel(const std::uint8_t* x, const __grid_constant__ ChannelTable table,
                            int channels, T* y, std::int64_t count, bool is_aligned) {
  constexpr int kElements = 16 / sizeof(T);
  std::int64_t first = kElements * global_thread();
  float scale[kElements], shift[kElements];
  int channel = static_cast<int>(first % channels);
#pragma unroll
  for (int i = 0; i < kElements; ++i) {
    scale[i] = table.scale[channel];
    shift[i] = table.shift[channel];
    if (++channel == channels) channel = 0;
  }
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * kThreads * kElements;
  for (; first < count; first += step) {
    if (is_aligned && first + kElements <= count) {
      const auto bytes = *reinterpret_cast<const Pack<std::uint8_t, kElements>*>(x + first);
      Pack<T, kElements> values;
#pragma unroll
      for (int i = 0; i < kElements; ++i) {
        values.values[i] = store<T>(static_cast<float>(bytes.values[i]) * scale[i] + shift[i]);
      }
      *reinterpret_cast<Pack<T, kElements>*>(y + first) = values;
    } else {
#pragma unroll
      for (int i = 0; i < kElements; ++i) {
        if (first + i < count) {
          y[first + i] = store<T>(static_cast<float>(x[first + i]) * scale[i] + shift[i]);
        }
      }
    }
  }
}

template <class T>
std::unique_ptr<Kernel> normalize(const ChannelTable& table, int channels, std::int64_t count) {
  constexpr int kElements = 16 / sizeof(T);
  constexpr std::int64_t kBlock = std::int64_t{kThreads} * kElements * kLeastPacks;
  const std::int64_t blocks = std::min((count + kBlock - 1) / kBlock, kMostBlocks);
  const auto grid = static_cast<unsigned>((blocks + channels - 1) / channels * channels);
  return make_kernel([=](const Stream& stream, const Buffers& buffers) {
    const auto* x = buffers.in<std::uint8_t>(0);
    T* y = buffers.out<T>(0);
    const bool is_aligned =
        fits_pack<std::uint8_t, kElements>(x, 0) && fits_pack<T, kElements>(y, 0);
    launch("normalize_images_kernel", normalize_images_kernel<T>,
           {.grid = dim3(grid), .block = dim3(kThreads)}, stream_of(stream), x, table, channels, y,
           count, is_aligned);
  });
}

// --- random_geometry ---

struct ImageSize {
  int h, w, c;
  __device__ std::int64_t elements() const { return std::int64_t{h} * w * c; }
};

// What does not depend on the step.
struct GeometryOptions {
  int shift;
  bool flip;
  float rotation_degrees, scale, shear, elastic;
  std::uint64_t name_hash;
  int blocks_per_image;
};

// The numbers of ImageGeometry (kernels/image.h) that shift and flip alone need.
struct Move {
  int shift_y, shift_x;
  bool flip;
};

__device__ int pixels_of(std::uint32_t word, int limit) {
  return static_cast<int>(word * (2 * static_cast<std::uint64_t>(limit) + 1) >> 32) - limit;
}

__device__ Move move_of(const GeometryOptions& options, const RandomBlock& bits) {
  return {pixels_of(bits.words[0], options.shift), pixels_of(bits.words[1], options.shift),
          options.flip && bits.words[2] % 2 == 1};
}

constexpr int kCopyBytes = 16;  // of the result, for each thread

// Shift and flip alone. A thread makes 16 neighbouring bytes of one image; it reads byte by byte,
// since what it reads is not aligned. Floor: each byte read and written once.
__global__ void __launch_bounds__(kThreads)
    random_move_kernel(const std::uint8_t* x, const std::int32_t* clock,
                       const __grid_constant__ GeometryOptions options, ImageSize size,
                       std::uint8_t* y, bool is_aligned) {
  const std::int64_t image = blockIdx.x / options.blocks_per_image;
  const std::int64_t part = blockIdx.x % options.blocks_per_image;
  const std::int64_t first = (part * kThreads + threadIdx.x) * kCopyBytes;
  const std::int64_t elements = size.elements();
  if (first >= elements) return;
  const DeviceRandom random(clock, options.name_hash);
  const Move move =
      move_of(options, random.block(2 * static_cast<std::uint64_t>(image), random.step, 0));
  x += image * elements;
  y += image * elements;
  int channel = static_cast<int>(first % size.c);
  int column = static_cast<int>(first / size.c % size.w);
  int row = static_cast<int>(first / size.c / size.w);
  Pack<std::uint8_t, kCopyBytes> bytes;
#pragma unroll
  for (int i = 0; i < kCopyBytes; ++i) {
    // 64 bits: a shift may be any int.
    const std::int64_t from_row = std::int64_t{row} - move.shift_y;
    const std::int64_t unflipped = std::int64_t{column} - move.shift_x;
    const std::int64_t from_column = move.flip ? size.w - 1 - unflipped : unflipped;
    const bool is_inside =
        from_row >= 0 && from_row < size.h && from_column >= 0 && from_column < size.w;
    bytes.values[i] =
        is_inside ? x[(from_row * size.w + from_column) * size.c + channel] : std::uint8_t{0};
    if (++channel == size.c) {
      channel = 0;
      if (++column == size.w) {
        column = 0;
        ++row;
      }
    }
  }
  if (is_aligned && first + kCopyBytes <= elements) {
    *reinterpret_cast<Pack<std::uint8_t, kCopyBytes>*>(y + first) = bytes;
  } else {
    for (int i = 0; i < kCopyBytes; ++i) {
      if (first + i < elements) y[first + i] = bytes.values[i];
    }
  }
}

// The source position of pixel (y, x) of the result, counted from the centre: source_y = yy y +
// yx x, source_x = xy y + xx x.
struct InverseMap {
  float yy, yx, xy, xx;
};

__device__ InverseMap inverse_map(float degrees, float scale, float shear, bool flip) {
  constexpr double kPi = 0x1.921fb54442d18p+1;
  const double angle = static_cast<double>(degrees) * kPi / 180;
  const double c = cos(angle) / scale, s = sin(angle) / scale;
  const double sign = flip ? -1 : 1;
  return {static_cast<float>(c), static_cast<float>(s), static_cast<float>(sign * (-s - shear * c)),
          static_cast<float>(sign * (c - shear * s))};
}

// The four cubic B-spline weights at `position` of `extent` pixels, and the first control point.
struct SplineWeights {
  float weights[4];
  int first;
};

__device__ SplineWeights spline_weights(int position, int extent) {
  const float u =
      (static_cast<float>(position) + 0.5f) * kElasticCells / static_cast<float>(extent);
  const int cell = min(static_cast<int>(u), kElasticCells - 1);
  const float t = u - static_cast<float>(cell), s = 1 - t;
  return {{s * s * s / 6, (3 * t * t * t - 6 * t * t + 4) / 6, (3 * s * s * s - 6 * s * s + 4) / 6,
           t * t * t / 6},
          cell};
}

constexpr int kElasticNumbers = 2 * kElasticPoints * kElasticPoints;
constexpr int kElasticBlocks = (kElasticNumbers + 3) / 4;  // of Philox
constexpr int kPixelsPerThread = 4;

// What the threads of a block share: the transformation of their image.
struct Warp {
  Move move;
  InverseMap map;
  float elastic[4 * kElasticBlocks];
};

__device__ void prepare_warp(const GeometryOptions& options, const DeviceRandom& random,
                             std::uint64_t image, Warp& warp) {
  const auto within = [](std::uint32_t word, float limit) {
    return (2 * uniform_of(word) - 1) * limit;
  };
  if (options.elastic > 0 && threadIdx.x < kElasticBlocks) {
    const RandomBlock bits = random.block(32 * image + threadIdx.x, random.step, 1);
    for (int i = 0; i < 4; ++i) {
      warp.elastic[4 * threadIdx.x + i] = within(bits.words[i], options.elastic);
    }
  }
  if (threadIdx.x == kThreads - 1) {  // of another warp than those above
    const RandomBlock a = random.block(2 * image, random.step, 0);
    const RandomBlock b = random.block(2 * image + 1, random.step, 0);
    warp.move = move_of(options, a);
    warp.map = inverse_map(within(a.words[3], options.rotation_degrees),
                           1 + within(b.words[0], options.scale), within(b.words[1], options.shear),
                           warp.move.flip);
  }
}

struct Position {
  float y, x;
};

__device__ Position bend(const Warp& warp, const ImageSize& size, int row, int column) {
  const SplineWeights vertical = spline_weights(row, size.h);
  const SplineWeights horizontal = spline_weights(column, size.w);
  Position total = {0, 0};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float* points =
        warp.elastic + 2 * (kElasticPoints * (vertical.first + i) + horizontal.first);
    Position line = {0, 0};
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      line.y += horizontal.weights[k] * points[2 * k];
      line.x += horizontal.weights[k] * points[2 * k + 1];
    }
    total.y += vertical.weights[i] * line.y;
    total.x += vertical.weights[i] * line.x;
  }
  return total;
}

// Zeros come in from outside.
__device__ void sample_bilinear(const ImageSize& size, const std::uint8_t* x, Position from,
                                std::uint8_t* pixel) {
  // Written so that a position that is not a number counts as outside.
  if (!(from.y > -1 && from.x > -1 && from.y < static_cast<float>(size.h) &&
        from.x < static_cast<float>(size.w))) {
    for (int channel = 0; channel < size.c; ++channel) pixel[channel] = 0;
    return;
  }
  const float floor_y = floorf(from.y), floor_x = floorf(from.x);
  const float fy = from.y - floor_y, fx = from.x - floor_x;
  const int y0 = static_cast<int>(floor_y), x0 = static_cast<int>(floor_x);
  // A tap outside gets weight 0 and the address of a pixel inside.
  const bool top = y0 >= 0, bottom = y0 + 1 < size.h, left = x0 >= 0, right = x0 + 1 < size.w;
  const float w00 = top && left ? (1 - fy) * (1 - fx) : 0;
  const float w01 = top && right ? (1 - fy) * fx : 0;
  const float w10 = bottom && left ? fy * (1 - fx) : 0;
  const float w11 = bottom && right ? fy * fx : 0;
  const std::int64_t row = std::int64_t{size.w} * size.c;
  const std::uint8_t* upper = x + (top ? y0 : 0) * row;
  const std::uint8_t* lower = x + (bottom ? y0 + 1 : y0) * row;
  const std::int64_t at_left = std::int64_t{left ? x0 : 0} * size.c;
  const std::int64_t at_right = std::int64_t{right ? x0 + 1 : x0} * size.c;
  for (int channel = 0; channel < size.c; ++channel) {
    const float value = w00 * upper[at_left + channel] + w01 * upper[at_right + channel] +
                        w10 * lower[at_left + channel] + w11 * lower[at_right + channel];
    pixel[channel] = static_cast<std::uint8_t>(static_cast<int>(value + 0.5f));
  }
}

// A block does 1024 neighbouring pixels of one image; its threads first share the making of the
// image's transformation, then each makes four pixels that lie 256 apart.
// Floor: each byte read and written once; bound by the four loads and the index arithmetic.
__global__ void __launch_bounds__(kThreads)
    random_warp_kernel(const std::uint8_t* x, const std::int32_t* clock,
                       const __grid_constant__ GeometryOptions options, ImageSize size,
                       std::uint8_t* y) {
  __shared__ Warp warp;
  const std::int64_t image = blockIdx.x / options.blocks_per_image;
  const std::int64_t part = blockIdx.x % options.blocks_per_image;
  prepare_warp(options, DeviceRandom(clock, options.name_hash), static_cast<std::uint64_t>(image),
               warp);
  __syncthreads();
  const std::int64_t pixels = std::int64_t{size.h} * size.w;
  x += image * size.elements();
  y += image * size.elements();
  const float center_y = static_cast<float>(size.h - 1) / 2;
  const float center_x = static_cast<float>(size.w - 1) / 2;
  for (int i = 0; i < kPixelsPerThread; ++i) {
    const std::int64_t pixel = (part * kPixelsPerThread + i) * kThreads + threadIdx.x;
    if (pixel >= pixels) break;
    const int row = static_cast<int>(pixel / size.w), column = static_cast<int>(pixel % size.w);
    Position out = {static_cast<float>(std::int64_t{row} - warp.move.shift_y) - center_y,
                    static_cast<float>(std::int64_t{column} - warp.move.shift_x) - center_x};
    if (options.elastic > 0) {
      const Position bent = bend(warp, size, row, column);
      out.y += bent.y;
      out.x += bent.x;
    }
    sample_bilinear(size, x,
                    {warp.map.yy * out.y + warp.map.yx * out.x + center_y,
                     warp.map.xy * out.y + warp.map.xx * out.x + center_x},
                    y + pixel * size.c);
  }
}

}  // namespace

std::unique_ptr<Kernel> prepare_normalize_images(const Normalization& normalization,
                                                 const PrepareContext& context) {
  const std::int64_t count = context.inputs[0].shape.elements();
  const auto& [mean, deviation] = normalization;
  const bool is_alike = mean.size() == 1 && deviation.size() == 1;
  const std::int64_t channels = is_alike ? 1 : context.inputs[0].shape[3];
  ENGINE_CHECK(channels <= kMostChannels, "normalize_images: ", channels,
               " channels with numbers of their own; CUDA takes at most ", kMostChannels);
  ChannelTable table = {};
  for (std::int64_t i = 0; i < channels; ++i) {
    const auto of_channel = [&](const std::vector<float>& values) {
      return double{values[values.size() == 1 ? 0 : static_cast<std::size_t>(i)]};
    };
    table.scale[i] = static_cast<float>(1 / (255 * of_channel(deviation)));
    table.shift[i] = static_cast<float>(-of_channel(mean) / of_channel(deviation));
  }
  const int period = static_cast<int>(std::max<std::int64_t>(channels, 1));
  if (context.outputs[0].dtype == DType::bf16) {
    return normalize<__nv_bfloat16>(table, period, count);
  }
  return normalize<float>(table, period, count);
}

std::unique_ptr<Kernel> prepare_random_geometry(const RandomImageOptions& options,
                                                std::uint64_t name_hash,
                                                const PrepareContext& context) {
  const Shape& shape = context.inputs[0].shape;
  constexpr std::int64_t kMost = 1 << 24;  // exact as a float
  ENGINE_CHECK(shape[1] <= kMost && shape[2] <= kMost && shape[3] <= kMost,
               "random_geometry: images are ", context.inputs[0], "; CUDA takes at most ", kMost,
               " along an axis");
  const ImageSize size{static_cast<int>(shape[1]), static_cast<int>(shape[2]),
                       static_cast<int>(shape[3])};
  const bool copies = options.rotation_degrees == 0 && options.scale == 0 && options.shear == 0 &&
                      options.elastic == 0;
  const std::int64_t per_block = copies ? kThreads * kCopyBytes : kThreads * kPixelsPerThread;
  const std::int64_t items = shape[1] * shape[2] * (copies ? shape[3] : 1);
  const std::int64_t blocks_per_image = (items + per_block - 1) / per_block;
  const std::int64_t blocks = shape[3] == 0 ? 0 : shape[0] * blocks_per_image;
  ENGINE_CHECK(blocks <= 0x7fffffff, "random_geometry: images are ", context.inputs[0],
               "; too many for one launch");
  const GeometryOptions geometry{
      .shift = options.shift,
      .flip = options.flip,
      .rotation_degrees = options.rotation_degrees,
      .scale = options.scale,
      .shear = options.shear,
      .elastic = options.elastic,
      .name_hash = name_hash,
      .blocks_per_image = static_cast<int>(blocks_per_image),
  };
  const LaunchConfig config{.grid = dim3(static_cast<unsigned>(blocks)), .block = dim3(kThreads)};
  const std::int64_t image_bytes = shape[1] * shape[2] * shape[3];
  return make_kernel([=](const Stream& stream, const Buffers& buffers) {
    const auto* x = buffers.in<std::uint8_t>(0);
    const auto* clock = buffers.in<std::int32_t>(1);
    auto* y = buffers.out<std::uint8_t>(0);
    if (copies) {
      ENGINE_LAUNCH(random_move_kernel, config, stream_of(stream), x, clock, geometry, size, y,
                    (fits_pack<std::uint8_t, kCopyBytes>(y, image_bytes)));
    } else {
      ENGINE_LAUNCH(random_warp_kernel, config, stream_of(stream), x, clock, geometry, size, y);
    }
  });
}

}  // namespace engine::cuda
