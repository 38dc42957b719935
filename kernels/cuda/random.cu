// Random tensors, dropout and shuffled rows on CUDA.
#include <bit>
#include <cstdint>

#include "engine/core/cuda/device_code.h"
#include "engine/core/cuda/launch.h"
#include "engine/kernels/cpu/random.h"
#include "engine/kernels/cuda/random_code.h"

namespace engine::cuda {

namespace {

constexpr int kThreads = 256;

using cpu::Distribution;

// Sine and cosine of a quarter turn times r, |r| <= 1/2: the series of core/random.cpp, with
// products in place of quotients. Relative error below 1e-15.
__device__ void sine_cosine_quarter(double r, double& sine, double& cosine) {
  const double a = r * 0x1.921fb54442d18p+0;  // pi / 2
  const double w = a * a;
  sine = 1;
  cosine = 1;
#pragma unroll
  for (int n = 16; n >= 2; n -= 2) {
    sine = 1 - sine * w * (1.0 / (n * (n + 1)));
    cosine = 1 - cosine * w * (1.0 / (n * (n - 1)));
  }
  sine *= a;
}

// normals_from_bits(). In double as there: in float the roundings of the logarithm, the angle and
// the products add up to more than 2 ulp.
__device__ void normal_pair(std::uint32_t a, std::uint32_t b, float& first, float& second) {
  const double radius = sqrt(-2 * log((a + 0.5) * 0x1p-32));
  const std::uint32_t quarter = (b + 0x20000000u) >> 30;
  const auto rest = static_cast<std::int32_t>(b - (quarter << 30));
  double sine, cosine;
  sine_cosine_quarter(rest * 0x1p-30, sine, cosine);
  const bool is_odd = (quarter & 1) != 0;
  const double x = is_odd ? sine : cosine;
  const double y = is_odd ? cosine : sine;
  first = static_cast<float>(radius * (quarter == 1 || quarter == 2 ? -x : x));
  second = static_cast<float>(radius * (quarter >= 2 ? -y : y));
}

// A thread makes the four numbers of one Philox block and stores them at once.
// Floor: 4 bytes an element. Uniforms cost about 25 integer operations an element, normals 30
// multiply-adds in double: below the time of the store where doubles run at half the float rate.
template <Distribution kDistribution>
__global__ void __launch_bounds__(kThreads)
    random_kernel(const std::int32_t* clock, std::uint64_t name_hash, float* y, std::int64_t count,
                  bool is_aligned) {
  const std::int64_t block = global_thread();
  const std::int64_t first = 4 * block;
  if (first >= count) return;
  const DeviceRandom random(clock, name_hash);
  const RandomBlock bits = random.block(static_cast<std::uint64_t>(block), random.step, 0);
  Pack<float, 4> values;
  if constexpr (kDistribution == Distribution::uniform) {
    for (int i = 0; i < 4; ++i) values.values[i] = uniform_of(bits.words[i]);
  } else {
    normal_pair(bits.words[0], bits.words[1], values.values[0], values.values[1]);
    normal_pair(bits.words[2], bits.words[3], values.values[2], values.values[3]);
  }
  if (is_aligned && first + 4 <= count) {
    *reinterpret_cast<Pack<float, 4>*>(y + first) = values;
  } else {
    for (int i = 0; i < 4; ++i) {
      if (first + i < count) y[first + i] = values.values[i];
    }
  }
}

// A thread does 16 bytes: one Philox block for f32, two for bf16.
// Floor: each element read and written once.
template <class T>
__global__ void __launch_bounds__(kThreads)
    dropout_kernel(const T* x, const std::int32_t* clock, std::uint64_t name_hash, float rate, T* y,
                   std::int64_t count, bool is_aligned) {
  constexpr int kElements = 16 / sizeof(T);
  const std::int64_t first = kElements * global_thread();
  if (first >= count) return;
  const bool is_whole = is_aligned && first + kElements <= count;
  Pack<T, kElements> values;
  if (is_whole) {
    values = *reinterpret_cast<const Pack<T, kElements>*>(x + first);
  } else {
    for (int i = 0; i < kElements; ++i) {
      values.values[i] = first + i < count ? x[first + i] : store<T>(0.0f);
    }
  }
  const DeviceRandom random(clock, name_hash);
  const float scale = 1 / (1 - rate);
#pragma unroll
  for (int group = 0; group < kElements / 4; ++group) {
    const RandomBlock bits =
        random.block(static_cast<std::uint64_t>(first / 4 + group), random.step, 0);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      T& value = values.values[4 * group + i];
      // A product, not a selection: NaN and infinity come through as NaN even where dropped.
      value = store<T>(load(value) * (uniform_of(bits.words[i]) >= rate ? scale : 0.0f));
    }
  }
  if (is_whole) {
    *reinterpret_cast<Pack<T, kElements>*>(y + first) = values;
  } else {
    for (int i = 0; i < kElements; ++i) {
      if (first + i < count) y[first + i] = values.values[i];
    }
  }
}

template <class T>
std::unique_ptr<Kernel> dropout(float rate, std::uint64_t name_hash, std::int64_t count) {
  constexpr int kElements = 16 / sizeof(T);
  return make_kernel([=](const Stream& stream, const Buffers& buffers) {
    const T* x = buffers.in<T>(0);
    T* y = buffers.out<T>(0);
    const bool is_aligned = fits_pack<T, kElements>(x, 0) && fits_pack<T, kElements>(y, 0);
    launch("dropout_kernel", dropout_kernel<T>,
           {.grid = dim3(blocks_for(count, kThreads * kElements)), .block = dim3(kThreads)},
           stream_of(stream), x, buffers.in<std::int32_t>(1), name_hash, rate, y, count,
           is_aligned);
  });
}

struct Shuffle {
  std::uint32_t rows, batch, steps_per_epoch;
  int bits;  // of rows - 1
};

// permuted_index(): one thread a row, four Philox blocks for each walk of at most a few.
// Bound by integer arithmetic; the store is 4 bytes a row.
__global__ void __launch_bounds__(kThreads)
    shuffled_rows_kernel(const std::int32_t* clock, std::uint64_t name_hash,
                         const __grid_constant__ Shuffle shuffle, std::int32_t* taken) {
  const std::int64_t i = global_thread();
  if (i >= shuffle.batch) return;
  const DeviceRandom random(clock, name_hash);
  const std::uint32_t epoch = random.step / shuffle.steps_per_epoch;
  std::uint32_t x =
      random.step % shuffle.steps_per_epoch * shuffle.batch + static_cast<std::uint32_t>(i);
  const int right_bits = (shuffle.bits + 1) / 2;
  const std::uint32_t right_mask = (1u << right_bits) - 1;
  const std::uint32_t left_mask = (1u << (shuffle.bits - right_bits)) - 1;
  do {
    std::uint32_t left = x >> right_bits, right = x & right_mask;
    for (std::uint32_t round = 0; round < 4; round += 2) {
      left ^= random.block(right, epoch, round).words[0] & left_mask;
      right ^= random.block(left, epoch, round + 1).words[0] & right_mask;
    }
    x = left << right_bits | right;
  } while (x >= shuffle.rows);
  const std::uint64_t rotation =
      random.block(0, epoch, 4).words[0] * std::uint64_t{shuffle.rows} >> 32;
  taken[i] = static_cast<std::int32_t>((x + rotation) % shuffle.rows);
}

}  // namespace

std::unique_ptr<Kernel> prepare_random(Distribution distribution, std::uint64_t name_hash,
                                       const PrepareContext& context) {
  const std::int64_t count = context.outputs[0].shape.elements();
  const auto kernel = distribution == Distribution::uniform ? random_kernel<Distribution::uniform>
                                                            : random_kernel<Distribution::normal>;
  return make_kernel([=](const Stream& stream, const Buffers& buffers) {
    float* y = buffers.out<float>(0);
    launch("random_kernel", kernel,
           {.grid = dim3(blocks_for(count, 4 * kThreads)), .block = dim3(kThreads)},
           stream_of(stream), buffers.in<std::int32_t>(0), name_hash, y, count,
           fits_pack<float, 4>(y, 0));
  });
}

std::unique_ptr<Kernel> prepare_dropout(float rate, std::uint64_t name_hash,
                                        const PrepareContext& context) {
  const std::int64_t count = context.outputs[0].shape.elements();
  if (context.inputs[0].dtype == DType::bf16) {
    return dropout<__nv_bfloat16>(rate, name_hash, count);
  }
  return dropout<float>(rate, name_hash, count);
}

std::unique_ptr<Kernel> prepare_shuffled_rows(std::int64_t rows, std::uint64_t name_hash,
                                              const PrepareContext& context) {
  const std::int64_t batch = context.outputs[0].shape.elements();
  const Shuffle shuffle{
      .rows = static_cast<std::uint32_t>(rows),  // at most 2^31, as checked when it was built
      .batch = static_cast<std::uint32_t>(batch),
      .steps_per_epoch = static_cast<std::uint32_t>(rows / batch),
      .bits = static_cast<int>(std::bit_width(static_cast<std::uint32_t>(rows - 1)))};
  return make_kernel([=](const Stream& stream, const Buffers& buffers) {
    launch("shuffled_rows_kernel", shuffled_rows_kernel,
           {.grid = dim3(blocks_for(batch, kThreads)), .block = dim3(kThreads)}, stream_of(stream),
           buffers.in<std::int32_t>(0), name_hash, shuffle, buffers.out<std::int32_t>(0));
  });
}

}  // namespace engine::cuda
