#include "engine/kernels/cpu/image.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <numbers>
#include <vector>

#include "engine/core/cpu/parallel.h"
#include "engine/core/cpu/simd.h"
#include "engine/kernels/cpu/random.h"

namespace engine::cpu {
namespace {

// --- normalize_images ---

// `scale` and `shift` have one entry for each of `period` neighbouring values: whole pixels, and
// enough of them for the vectors.
template <class T>
ENGINE_ALWAYS_INLINE void normalize_loop(const std::uint8_t* x, std::int64_t count,
                                         const float* scale, const float* shift,
                                         std::int64_t period, T* y) {
  for (std::int64_t first = 0; first < count; first += period) {
    const std::int64_t size = std::min(period, count - first);
#pragma omp simd
    for (std::int64_t i = 0; i < size; ++i) {
      y[first + i] = store<T>(static_cast<float>(x[first + i]) * scale[i] + shift[i]);
    }
  }
}

ENGINE_CPU_CLONES void normalize(const std::uint8_t* x, std::int64_t count, const float* scale,
                                 const float* shift, std::int64_t period, float* y) {
  normalize_loop(x, count, scale, shift, period, y);
}
ENGINE_CPU_CLONES void normalize(const std::uint8_t* x, std::int64_t count, const float* scale,
                                 const float* shift, std::int64_t period, BFloat16* y) {
  normalize_loop(x, count, scale, shift, period, y);
}

// --- random_geometry ---

struct ImageSize {
  std::int64_t h, w, c;
  std::int64_t row() const { return w * c; }
  std::int64_t elements() const { return h * w * c; }
};

constexpr int kTile = 256;  // pixels of a row whose source coordinates are computed at a time

// The four cubic B-spline weights at `position` of `extent` pixels, and the first control point.
struct SplineWeights {
  std::array<float, 4> weights;
  int first;
};

SplineWeights spline_weights(std::int64_t position, std::int64_t extent) {
  const double u =
      (static_cast<double>(position) + 0.5) / static_cast<double>(extent) * kElasticCells;
  const int cell = std::min(static_cast<int>(u), kElasticCells - 1);
  const double t = u - cell, s = 1 - t;
  const double weights[4] = {s * s * s / 6, (3 * t * t * t - 6 * t * t + 4) / 6,
                             (3 * s * s * s - 6 * s * s + 4) / 6, t * t * t / 6};
  SplineWeights result{{}, cell};
  for (int i = 0; i < 4; ++i) result.weights[i] = static_cast<float>(weights[i]);
  return result;
}

// Pixels from `from` on, backwards. kChannels 0: `channels`.
template <int kChannels>
void copy_reversed(const std::uint8_t* from, std::int64_t pixels, std::int64_t channels,
                   std::uint8_t* to) {
  const std::int64_t step = kChannels == 0 ? channels : kChannels;
  for (std::int64_t i = 0; i < pixels; ++i, from -= step, to += step) {
    for (std::int64_t channel = 0; channel < step; ++channel) to[channel] = from[channel];
  }
}

void copy_image(const ImageSize& size, const ImageGeometry& geometry, const std::uint8_t* x,
                std::uint8_t* y) {
  for (std::int64_t row = 0; row < size.h; ++row, y += size.row()) {
    const std::int64_t source_row = row - geometry.shift_y;
    const std::int64_t first = std::clamp<std::int64_t>(geometry.shift_x, 0, size.w);
    const std::int64_t last = std::clamp<std::int64_t>(size.w + geometry.shift_x, 0, size.w);
    if (source_row < 0 || source_row >= size.h || first >= last) {
      std::memset(y, 0, static_cast<std::size_t>(size.row()));
      continue;
    }
    const std::uint8_t* source = x + source_row * size.row();
    std::memset(y, 0, static_cast<std::size_t>(first * size.c));
    std::memset(y + last * size.c, 0, static_cast<std::size_t>((size.w - last) * size.c));
    if (!geometry.flip) {
      std::memcpy(y + first * size.c, source + (first - geometry.shift_x) * size.c,
                  static_cast<std::size_t>((last - first) * size.c));
      continue;
    }
    const std::int64_t last_source = size.w - 1 - (first - geometry.shift_x);
    if (size.c == 1) {
      copy_reversed<1>(source + last_source, last - first, 1, y + first);
    } else if (size.c == 3) {
      copy_reversed<3>(source + last_source * 3, last - first, 3, y + first * 3);
    } else {
      copy_reversed<0>(source + last_source * size.c, last - first, size.c, y + first * size.c);
    }
  }
}

// The source position of output pixel (row, column): shift, bend, rotation, scale, shear and flip
// undone, in this order. Coordinates count from the centre between the steps.
struct InverseMap {
  float yy, yx, xy, xx;  // source_y = yy y + yx x, source_x = xy y + xx x

  explicit InverseMap(const ImageGeometry& geometry) {
    const double angle = geometry.rotation_degrees * std::numbers::pi / 180;
    const double c = std::cos(angle) / geometry.scale, s = std::sin(angle) / geometry.scale;
    const double shear = geometry.shear, flip = geometry.flip ? -1 : 1;
    yy = static_cast<float>(c);
    yx = static_cast<float>(s);
    xy = static_cast<float>(flip * (-s - shear * c));
    xx = static_cast<float>(flip * (c - shear * s));
  }
};

ENGINE_CPU_CLONES void source_positions(const InverseMap& map, float y, float first_x,
                                        float center_y, float center_x, std::int64_t count,
                                        const float* bend_y, const float* bend_x, float* source_y,
                                        float* source_x) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    const float out_y = y + bend_y[i];
    const float out_x = first_x + static_cast<float>(static_cast<int>(i)) + bend_x[i];
    source_y[i] = map.yy * out_y + map.yx * out_x + center_y;
    source_x[i] = map.xy * out_y + map.xx * out_x + center_x;
  }
}

// std::floor() would be a call where the baseline lacks the instruction.
ENGINE_ALWAYS_INLINE int integer_below(float value) {
  const int toward_zero = static_cast<int>(value);
  return toward_zero - (value < static_cast<float>(toward_zero) ? 1 : 0);
}

// kChannels 0: as many as `size` says.
template <int kChannels>
ENGINE_ALWAYS_INLINE void sample_row(const ImageSize& size, const std::uint8_t* x,
                                     const float* source_y, const float* source_x,
                                     std::int64_t count, std::uint8_t* pixel) {
  const std::int64_t channels = kChannels == 0 ? size.c : kChannels;
  const std::int64_t row = size.w * channels;
  const auto height = static_cast<float>(size.h), width = static_cast<float>(size.w);
  for (std::int64_t i = 0; i < count; ++i, pixel += channels) {
    // Written so that a position that is not a number counts as outside.
    if (!(source_y[i] > -1 && source_x[i] > -1 && source_y[i] < height && source_x[i] < width)) {
      for (std::int64_t channel = 0; channel < channels; ++channel) pixel[channel] = 0;
      continue;
    }
    const int y0 = integer_below(source_y[i]), x0 = integer_below(source_x[i]);
    const float fy = source_y[i] - static_cast<float>(y0);
    const float fx = source_x[i] - static_cast<float>(x0);
    // A tap outside gets weight 0 and the address of a pixel inside.
    const bool top = y0 >= 0, bottom = y0 + 1 < size.h, left = x0 >= 0, right = x0 + 1 < size.w;
    const float upper_weight = top ? 1 - fy : 0, lower_weight = bottom ? fy : 0;
    const float left_weight = left ? 1 - fx : 0, right_weight = right ? fx : 0;
    const float w00 = upper_weight * left_weight, w01 = upper_weight * right_weight;
    const float w10 = lower_weight * left_weight, w11 = lower_weight * right_weight;
    const std::uint8_t* upper = x + (top ? y0 : 0) * row;
    const std::uint8_t* lower = x + (bottom ? y0 + 1 : y0) * row;
    const std::int64_t at_left = (left ? x0 : 0) * channels;
    const std::int64_t at_right = (right ? x0 + 1 : x0) * channels;
    for (std::int64_t channel = 0; channel < channels; ++channel) {
      const float value = w00 * upper[at_left + channel] + w01 * upper[at_right + channel] +
                          w10 * lower[at_left + channel] + w11 * lower[at_right + channel];
      pixel[channel] = static_cast<std::uint8_t>(static_cast<int>(value + 0.5f));
    }
  }
}

ENGINE_CPU_CLONES void sample_bilinear(const ImageSize& size, const std::uint8_t* x,
                                       const float* source_y, const float* source_x,
                                       std::int64_t count, std::uint8_t* pixel) {
  if (size.c == 1) {
    sample_row<1>(size, x, source_y, source_x, count, pixel);
  } else if (size.c == 3) {
    sample_row<3>(size, x, source_y, source_x, count, pixel);
  } else {
    sample_row<0>(size, x, source_y, source_x, count, pixel);
  }
}

// The kernel of one size: the spline's weights are the same for all images.
struct Warp {
  ImageSize size;
  std::vector<SplineWeights> rows, columns;

  explicit Warp(const ImageSize& image_size) : size(image_size) {
    for (std::int64_t i = 0; i < size.h; ++i) rows.push_back(spline_weights(i, size.h));
    for (std::int64_t i = 0; i < size.w; ++i) columns.push_back(spline_weights(i, size.w));
  }

  // The displacement field at pixels [first, first + count) of a row of the result.
  void bends(const ImageGeometry& geometry, std::int64_t row, std::int64_t first,
             std::int64_t count, float* bend_y, float* bend_x) const {
    const SplineWeights& vertical = rows[static_cast<std::size_t>(row)];
    float line[2 * kElasticPoints] = {};
    for (int i = 0; i < 4; ++i) {
      const float* points = &geometry.elastic[2 * kElasticPoints * (vertical.first + i)];
      for (int k = 0; k < 2 * kElasticPoints; ++k) line[k] += vertical.weights[i] * points[k];
    }
    for (std::int64_t i = 0; i < count; ++i) {
      const SplineWeights& horizontal = columns[static_cast<std::size_t>(first + i)];
      const float* points = line + 2 * horizontal.first;
      float y = 0, x = 0;
      for (int k = 0; k < 4; ++k) {
        y += horizontal.weights[k] * points[2 * k];
        x += horizontal.weights[k] * points[2 * k + 1];
      }
      bend_y[i] = y;
      bend_x[i] = x;
    }
  }

  void run(const ImageGeometry& geometry, const std::uint8_t* x, std::uint8_t* y) const {
    const InverseMap map(geometry);
    const float center_y = static_cast<float>(size.h - 1) / 2;
    const float center_x = static_cast<float>(size.w - 1) / 2;
    float bend_y[kTile] = {}, bend_x[kTile] = {}, source_y[kTile], source_x[kTile];
    for (std::int64_t row = 0; row < size.h; ++row) {
      const float out_y = static_cast<float>(row - geometry.shift_y) - center_y;
      for (std::int64_t first = 0; first < size.w; first += kTile) {
        const std::int64_t count = std::min<std::int64_t>(kTile, size.w - first);
        if (geometry.bends) bends(geometry, row, first, count, bend_y, bend_x);
        source_positions(map, out_y, static_cast<float>(first - geometry.shift_x) - center_x,
                         center_y, center_x, count, bend_y, bend_x, source_y, source_x);
        sample_bilinear(size, x, source_y, source_x, count, y);
        y += count * size.c;
      }
    }
  }
};

}  // namespace

std::unique_ptr<Kernel> prepare_normalize_images(const Normalization& normalization,
                                                 const PrepareContext& context) {
  const std::int64_t channels = std::max<std::int64_t>(context.inputs[0].shape[3], 1);
  const std::int64_t count = context.inputs[0].shape.elements();
  const std::int64_t period = 256 * channels;
  std::vector<float> scale(static_cast<std::size_t>(period)), shift(scale.size());
  for (std::int64_t i = 0; i < period; ++i) {
    const auto of_channel = [&](const std::vector<float>& values) {
      return double{values[values.size() == 1 ? 0 : static_cast<std::size_t>(i % channels)]};
    };
    const double deviation = of_channel(normalization.standard_deviation);
    scale[i] = static_cast<float>(1 / (255 * deviation));
    shift[i] = static_cast<float>(-of_channel(normalization.mean) / deviation);
  }
  const bool to_bf16 = context.outputs[0].dtype == DType::bf16;
  return make_kernel([=, scale = std::move(scale), shift = std::move(shift)](
                         const Stream& stream, const Buffers& buffers) {
    const auto* x = buffers.in<std::uint8_t>(0);
    parallel_for(
        stream, count, 1,
        [&](std::int64_t begin, std::int64_t end) {
          if (to_bf16) {
            normalize(x + begin, end - begin, scale.data(), shift.data(), period,
                      buffers.out<BFloat16>(0) + begin);
          } else {
            normalize(x + begin, end - begin, scale.data(), shift.data(), period,
                      buffers.out<float>(0) + begin);
          }
        },
        period);
  });
}

ImageGeometry image_geometry(const RandomImageOptions& options, RandomStream random,
                             std::int64_t index) {
  const auto block = static_cast<std::uint64_t>(index);
  const auto a = philox(random.key, 2 * block, random.step, 0);
  const auto b = philox(random.key, 2 * block + 1, random.step, 0);
  const auto within = [](std::uint32_t word, float limit) {
    return (2 * uniform_from_bits(word) - 1) * limit;
  };
  const auto pixels = [&](std::uint32_t word) {
    return static_cast<int>(word * (2 * std::uint64_t(options.shift) + 1) >> 32) - options.shift;
  };
  ImageGeometry geometry;
  geometry.shift_y = pixels(a[0]);
  geometry.shift_x = pixels(a[1]);
  geometry.flip = options.flip && a[2] % 2 == 1;
  geometry.rotation_degrees = within(a[3], options.rotation_degrees);
  geometry.scale = 1 + within(b[0], options.scale);
  geometry.shear = within(b[1], options.shear);
  geometry.bends = options.elastic > 0;
  if (geometry.bends) {
    random.draw = 1;
    random.first = 128 * index;
    fill_uniform(random, geometry.elastic);
    for (float& value : geometry.elastic) value = (2 * value - 1) * options.elastic;
  }
  return geometry;
}

std::unique_ptr<Kernel> prepare_random_geometry(const RandomImageOptions& options,
                                                std::uint64_t name_hash,
                                                const PrepareContext& context) {
  const Shape& shape = context.inputs[0].shape;
  const ImageSize size{shape[1], shape[2], shape[3]};
  const std::int64_t images = shape[0];
  const bool copies = options.rotation_degrees == 0 && options.scale == 0 && options.shear == 0 &&
                      options.elastic == 0;
  return make_kernel([=, warp = Warp(size)](const Stream& stream, const Buffers& buffers) {
    const RandomStream random = random_stream(buffers.in<std::int32_t>(1), name_hash);
    const auto* x = buffers.in<std::uint8_t>(0);
    auto* y = buffers.out<std::uint8_t>(0);
    parallel_for(stream, images, size.elements(), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const ImageGeometry geometry = image_geometry(options, random, i);
        const std::int64_t offset = i * size.elements();
        if (copies) {
          copy_image(size, geometry, x + offset, y + offset);
        } else {
          warp.run(geometry, x + offset, y + offset);
        }
      }
    });
  });
}

}  // namespace engine::cpu
