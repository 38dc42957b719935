#include "engine/kernels/cpu/random.h"

#include <algorithm>

#include "engine/core/cpu/parallel.h"
#include "engine/core/cpu/simd.h"

namespace engine::cpu {
namespace {

// A random number costs about as much as eight loads and stores.
constexpr std::int64_t kWork = 8;

template <class T>
ENGINE_ALWAYS_INLINE void mask_loop(const T* x, const std::uint32_t* words, std::int64_t count,
                                    float rate, T* y) {
  const float scale = 1 / (1 - rate);
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    // A product, not a selection: NaN and infinity come through as NaN even where dropped.
    const float factor = uniform_from_bits(words[i]) >= rate ? scale : 0.0f;
    y[i] = store<T>(load(x[i]) * factor);
  }
}

ENGINE_CPU_CLONES void mask(const float* x, const std::uint32_t* words, std::int64_t count,
                            float rate, float* y) {
  mask_loop(x, words, count, rate, y);
}
ENGINE_CPU_CLONES void mask(const BFloat16* x, const std::uint32_t* words, std::int64_t count,
                            float rate, BFloat16* y) {
  mask_loop(x, words, count, rate, y);
}

template <class T>
void dropout(const Stream& stream, RandomStream random, std::int64_t count, float rate, const T* x,
             T* y) {
  parallel_for(
      stream, count, kWork,
      [&](std::int64_t begin, std::int64_t end) {
        constexpr std::int64_t kChunk = 512;
        std::uint32_t words[kChunk];
        RandomStream part = random;
        for (std::int64_t first = begin; first < end; first += kChunk) {
          const std::int64_t size = std::min(kChunk, end - first);
          part.first = first;
          fill_words(part, {words, static_cast<std::size_t>(size)});
          mask(x + first, words, size, rate, y + first);
        }
      },
      16);
}

}  // namespace

RandomStream random_stream(const std::int32_t* clock, std::uint64_t name_hash) {
  const std::uint64_t seed = static_cast<std::uint32_t>(clock[0]) |
                             std::uint64_t{static_cast<std::uint32_t>(clock[1])} << 32;
  return {.key = random_key(seed, name_hash), .step = static_cast<std::uint32_t>(clock[2])};
}

std::unique_ptr<Kernel> prepare_random(Distribution distribution, std::uint64_t name_hash,
                                       const PrepareContext& context) {
  const std::int64_t count = context.outputs[0].shape.elements();
  const auto fill = distribution == Distribution::uniform ? fill_uniform : fill_normal;
  return make_kernel([=](const Stream& stream, const Buffers& buffers) {
    const RandomStream random = random_stream(buffers.in<std::int32_t>(0), name_hash);
    auto* y = buffers.out<float>(0);
    parallel_for(
        stream, count, kWork,
        [&](std::int64_t begin, std::int64_t end) {
          RandomStream part = random;
          part.first = begin;
          fill(part, {y + begin, static_cast<std::size_t>(end - begin)});
        },
        16);
  });
}

std::unique_ptr<Kernel> prepare_dropout(float rate, std::uint64_t name_hash,
                                        const PrepareContext& context) {
  const std::int64_t count = context.outputs[0].shape.elements();
  const bool is_bf16 = context.inputs[0].dtype == DType::bf16;
  return make_kernel([=](const Stream& stream, const Buffers& buffers) {
    const RandomStream random = random_stream(buffers.in<std::int32_t>(1), name_hash);
    if (is_bf16) {
      dropout(stream, random, count, rate, buffers.in<BFloat16>(0), buffers.out<BFloat16>(0));
    } else {
      dropout(stream, random, count, rate, buffers.in<float>(0), buffers.out<float>(0));
    }
  });
}

std::unique_ptr<Kernel> prepare_shuffled_rows(std::int64_t rows, std::uint64_t name_hash,
                                              const PrepareContext& context) {
  const std::int64_t batch = context.outputs[0].shape.elements();
  return make_kernel([=](const Stream& stream, const Buffers& buffers) {
    const RandomStream random = random_stream(buffers.in<std::int32_t>(0), name_hash);
    const std::int64_t steps_per_epoch = rows / batch;
    const auto epoch = static_cast<std::uint32_t>(random.step / steps_per_epoch);
    const std::int64_t first = random.step % steps_per_epoch * batch;
    auto* taken = buffers.out<std::int32_t>(0);
    // About 80 ns a row.
    parallel_for(stream, batch, 128, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        taken[i] = static_cast<std::int32_t>(permuted_index(random.key, epoch,
                                                            static_cast<std::uint32_t>(first + i),
                                                            static_cast<std::uint32_t>(rows)));
      }
    });
  });
}

}  // namespace engine::cpu
