#include "engine/core/random.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include <Random123/philox.h>

#include "engine/core/cpu_clones.h"

namespace engine {
namespace {

constexpr int kChunkBlocks = 64;  // blocks made at a time: 1 KB of words, in the first cache

struct WordPair {
  std::uint32_t a, b;
};

ENGINE_ALWAYS_INLINE philox4x32_ctr_t block_words(RandomKey key, std::uint64_t block,
                                                  std::uint32_t step, std::uint32_t draw) {
  const philox4x32_ctr_t counter = {
      {static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32), step, draw}};
  const philox4x32_key_t words = {{key.low, key.high}};
  return philox4x32_R(10, counter, words);
}

// Natural logarithm of x in (0, 1), relative error below 1e-14: x = 2^e m with m in
// [sqrt(1/2), sqrt(2)), ln m = 2 atanh((m - 1) / (m + 1)) by its series. Plain arithmetic, so that
// loops over it vectorise and every instruction set gives the same bits.
ENGINE_ALWAYS_INLINE double log_unit(double x) {
  constexpr std::uint64_t kSqrtHalf = 0x3fe6a09e667f3bcdull;  // bits of sqrt(1/2)
  const std::uint64_t bits = std::bit_cast<std::uint64_t>(x);
  const std::uint64_t shifted = bits - kSqrtHalf;
  // The exponent as a double without a 64-bit conversion, which AVX2 lacks: 1.5 * 2^52 + e.
  const std::uint64_t exponent_bits = (shifted >> 52) | (shifted >> 63 ? 0xfffff000u : 0u);
  const double exponent =
      std::bit_cast<double>(0x4338000000000000ull +
                            static_cast<std::uint64_t>(static_cast<std::int64_t>(
                                static_cast<std::int32_t>(exponent_bits)))) -
      0x1.8p52;
  const double m = std::bit_cast<double>((shifted & 0xfffffffffffffull) + kSqrtHalf);
  const double z = (m - 1) / (m + 1);
  const double w = z * z;
  double series = 1.0 / 19;
  for (int odd = 17; odd >= 1; odd -= 2) series = series * w + 1.0 / odd;
  return exponent * 0x1.62e42fefa39efp-1 + 2 * z * series;
}

// Sine and cosine of a quarter turn times r, |r| <= 1/2, by their series: relative error below
// 1e-15.
struct SineCosine {
  double sine, cosine;
};
ENGINE_ALWAYS_INLINE SineCosine sine_cosine_quarter(double r) {
  const double a = r * 0x1.921fb54442d18p+0;  // pi / 2
  const double w = a * a;
  double sine = 1, cosine = 1;
  for (int n = 16; n >= 2; n -= 2) {
    sine = 1 - sine * w / (n * (n + 1));
    cosine = 1 - cosine * w / (n * (n - 1));
  }
  return {sine * a, cosine};
}

ENGINE_ALWAYS_INLINE void normal_pair(WordPair words, float& first, float& second) {
  // Through signed 32-bit integers, which every instruction set converts.
  const double u = (static_cast<std::int32_t>(words.a ^ 0x80000000u) + 0x1p31 + 0.5) * 0x1p-32;
  const double radius = std::sqrt(-2 * log_unit(u));
  // The angle in quarter turns: the nearest whole quarter, and the signed rest.
  const std::uint32_t quarter = (words.b + 0x20000000u) >> 30;
  const auto rest = static_cast<std::int32_t>(words.b - (quarter << 30));
  const SineCosine angle = sine_cosine_quarter(rest * 0x1p-30);
  const bool odd = quarter & 1;
  const double cosine = odd ? angle.sine : angle.cosine;
  const double sine = odd ? angle.cosine : angle.sine;
  const bool cosine_negative = quarter == 1 || quarter == 2;
  const bool sine_negative = quarter >= 2;
  first = static_cast<float>(radius * (cosine_negative ? -cosine : cosine));
  second = static_cast<float>(radius * (sine_negative ? -sine : sine));
}

ENGINE_CPU_CLONES void make_words(const RandomStream& stream, std::uint64_t first_block,
                                  std::int64_t blocks, std::uint32_t* out) {
  const RandomKey key = stream.key;
  const std::uint32_t step = stream.step, draw = stream.draw;
#pragma omp simd
  for (std::int64_t i = 0; i < blocks; ++i) {
    const philox4x32_ctr_t words = block_words(key, first_block + i, step, draw);
    out[4 * i] = words.v[0];
    out[4 * i + 1] = words.v[1];
    out[4 * i + 2] = words.v[2];
    out[4 * i + 3] = words.v[3];
  }
}

ENGINE_CPU_CLONES void uniform_from_words(const std::uint32_t* words, std::int64_t count,
                                          float* out) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) out[i] = uniform_from_bits(words[i]);
}

ENGINE_CPU_CLONES void normal_from_words(const std::uint32_t* words, std::int64_t pairs,
                                         float* out) {
#pragma omp simd
  for (std::int64_t i = 0; i < pairs; ++i) {
    normal_pair({words[2 * i], words[2 * i + 1]}, out[2 * i], out[2 * i + 1]);
  }
}

// Calls use(words, first, count) for chunks of the stream.
template <class Use>
void for_chunks(const RandomStream& stream, std::int64_t elements, const Use& use) {
  alignas(64) std::uint32_t words[4 * kChunkBlocks];
  for (std::int64_t done = 0; done < elements; done += 4 * kChunkBlocks) {
    const std::int64_t count = std::min<std::int64_t>(4 * kChunkBlocks, elements - done);
    make_words(stream, static_cast<std::uint64_t>(stream.first + done) / 4, (count + 3) / 4, words);
    use(words, done, count);
  }
}

}  // namespace

std::uint64_t hash_name(std::string_view name) {
  std::uint64_t hash = 0xcbf29ce484222325ull;
  for (const char character : name) {
    hash ^= static_cast<unsigned char>(character);
    hash *= 0x100000001b3ull;
  }
  return hash;
}

RandomKey random_key(std::uint64_t seed, std::uint64_t name_hash) {
  const std::uint64_t key = seed ^ name_hash;
  return {static_cast<std::uint32_t>(key), static_cast<std::uint32_t>(key >> 32)};
}

std::array<std::uint32_t, 4> philox(RandomKey key, std::uint64_t block, std::uint32_t step,
                                    std::uint32_t draw) {
  const philox4x32_ctr_t words = block_words(key, block, step, draw);
  return {words.v[0], words.v[1], words.v[2], words.v[3]};
}

std::array<float, 2> normals_from_bits(std::uint32_t a, std::uint32_t b) {
  std::array<float, 2> pair{};
  normal_pair({a, b}, pair[0], pair[1]);
  return pair;
}

void fill_words(const RandomStream& stream, std::span<std::uint32_t> out) {
  for_chunks(stream, std::ssize(out),
             [&](const std::uint32_t* words, std::int64_t first, std::int64_t count) {
               std::copy_n(words, count, out.data() + first);
             });
}

void fill_uniform(const RandomStream& stream, std::span<float> out) {
  for_chunks(stream, std::ssize(out),
             [&](const std::uint32_t* words, std::int64_t first, std::int64_t count) {
               uniform_from_words(words, count, out.data() + first);
             });
}

void fill_normal(const RandomStream& stream, std::span<float> out) {
  for_chunks(stream, std::ssize(out),
             [&](const std::uint32_t* words, std::int64_t first, std::int64_t count) {
               normal_from_words(words, count / 2, out.data() + first);
               if (count % 2 != 0) {
                 out[first + count - 1] = normals_from_bits(words[count - 1], words[count])[0];
               }
             });
}

std::uint32_t permuted_index(RandomKey key, std::uint32_t epoch, std::uint32_t index,
                             std::uint32_t n) {
  if (n <= 1) return 0;
  const int bits = std::bit_width(n - 1);
  const int right_bits = (bits + 1) / 2;
  const std::uint32_t right_mask = (1u << right_bits) - 1;
  const std::uint32_t left_mask = (1u << (bits - right_bits)) - 1;
  // Each round changes one half by a function of the other, so it can be undone: a permutation of
  // all numbers of `bits` bits, at most 2n of them. Walking on while outside [0, n) keeps it one.
  std::uint32_t x = index;
  do {
    std::uint32_t left = x >> right_bits, right = x & right_mask;
    for (std::uint32_t round = 0; round < 4; round += 2) {
      left ^= philox(key, right, epoch, round)[0] & left_mask;
      right ^= philox(key, left, epoch, round + 1)[0] & right_mask;
    }
    x = left << right_bits | right;
  } while (x >= n);
  // Four rounds over a few bits prefer some images to others; a rotation by a random amount makes
  // every image equally likely.
  const std::uint64_t rotation = philox(key, 0, epoch, 4)[0] * std::uint64_t{n} >> 32;
  return static_cast<std::uint32_t>((x + rotation) % n);
}

}  // namespace engine
