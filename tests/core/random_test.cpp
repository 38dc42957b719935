#include "engine/core/random.h"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

namespace engine {
namespace {

// The known-answer vectors that come with Random123 for philox4x32 with 10 rounds.
struct KnownAnswer {
  std::uint32_t counter[4];
  RandomKey key;
  std::uint32_t words[4];
};

TEST(Philox, KnownAnswers) {
  const KnownAnswer cases[] = {
      {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
       {0xffffffff, 0xffffffff},
       {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
       {0xa4093822, 0x299f31d0},
       {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
  };
  for (const KnownAnswer& known : cases) {
    const std::uint64_t block = known.counter[0] | std::uint64_t{known.counter[1]} << 32;
    const auto words = philox(known.key, block, known.counter[2], known.counter[3]);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(words[i], known.words[i]) << "word " << i;
  }
}

TEST(Philox, NamesAreHashedByFnv1a) {
  EXPECT_EQ(hash_name(""), 0xcbf29ce484222325ull);
  EXPECT_EQ(hash_name("a"), 0xaf63dc4c8601ec8cull);
  EXPECT_EQ(hash_name("foobar"), 0x85944171f73967e8ull);
  const RandomKey key = random_key(0x0123456789abcdefull, 0);
  EXPECT_EQ(key.low, 0x89abcdefu);
  EXPECT_EQ(key.high, 0x01234567u);
}

// The bulk functions against the single ones, across the carry into the upper counter word.
TEST(Philox, BulkEqualsSingle) {
  const RandomKey key{7, 9};
  for (const std::int64_t first : {std::int64_t{0}, std::int64_t{4 * 0xffffffffll - 400}}) {
    for (const std::int64_t count : {1, 2, 3, 4, 5, 255, 256, 257, 1001}) {
      const RandomStream stream{.key = key, .step = 3, .draw = 5, .first = first};
      std::vector<std::uint32_t> words(count);
      std::vector<float> uniforms(count), normals(count);
      fill_words(stream, words);
      fill_uniform(stream, uniforms);
      fill_normal(stream, normals);
      for (std::int64_t i = 0; i < count; ++i) {
        const auto block = philox(key, static_cast<std::uint64_t>(first + i) / 4, 3, 5);
        const int place = static_cast<int>(i % 4);
        const int pair = place / 2 * 2;
        ASSERT_EQ(words[i], block[place]) << first << " + " << i << " of " << count;
        ASSERT_EQ(uniforms[i], uniform_from_bits(block[place]));
        ASSERT_EQ(normals[i], normals_from_bits(block[pair], block[pair + 1])[place % 2]);
      }
    }
  }
}

TEST(Philox, UniformBitsEndsAndMoments) {
  EXPECT_EQ(uniform_from_bits(0), 0.0f);
  EXPECT_EQ(uniform_from_bits(0xffffffff), 1.0f - 0x1p-24f);
  std::vector<float> values(1 << 20);
  fill_uniform({.key = random_key(1, hash_name("moments"))}, values);
  double sum = 0, squares = 0;
  std::vector<int> bins(64);
  for (const float value : values) {
    ASSERT_GE(value, 0.0f);
    ASSERT_LT(value, 1.0f);
    sum += value;
    squares += double{value} * value;
    ++bins[static_cast<int>(value * 64)];
  }
  const double n = static_cast<double>(values.size());
  EXPECT_NEAR(sum / n, 0.5, 5 * std::sqrt(1 / 12.0 / n));
  EXPECT_NEAR(squares / n, 1 / 3.0, 5 * std::sqrt(4 / 45.0 / n));
  double chi_square = 0;  // 63 degrees of freedom: mean 63, deviation 11
  for (const int count : bins) chi_square += (count - n / 64) * (count - n / 64) / (n / 64);
  EXPECT_LT(chi_square, 63 + 5 * 11.2);
}

TEST(Philox, NormalsWithinTwoUlpOfDouble) {
  std::vector<std::uint32_t> words(1 << 17);
  fill_words({.key = {3, 4}}, words);
  const std::uint32_t edges[] = {0,          1,          0x1fffffff, 0x20000000, 0x40000000,
                                 0x7fffffff, 0x80000000, 0xc0000001, 0xffffffff};
  for (const std::uint32_t a : edges) {
    for (const std::uint32_t b : edges) words.insert(words.end(), {a, b});
  }
  double sum = 0, squares = 0, cubes = 0, fourths = 0;
  for (std::size_t i = 0; i < words.size(); i += 2) {
    const auto got = normals_from_bits(words[i], words[i + 1]);
    const double radius = std::sqrt(-2 * std::log((words[i] + 0.5) / 4294967296.0));
    const double turn = words[i + 1] / 4294967296.0;
    const double angle = 2 * std::acos(-1.0) * turn;
    const double want[2] = {radius * std::cos(angle), radius * std::sin(angle)};
    for (int k = 0; k < 2; ++k) {
      // 4e-15: the reference's own error where its cosine should be exactly 0.
      const double ulp = std::ldexp(std::fabs(want[k]), -23);
      ASSERT_LE(std::fabs(got[k] - want[k]), 2 * ulp + 4e-15) << words[i] << ", " << words[i + 1];
      if (i < (1 << 17)) {
        sum += got[k];
        squares += got[k] * got[k];
        cubes += std::pow(got[k], 3);
        fourths += std::pow(got[k], 4);
      }
    }
  }
  const double n = 1 << 17;
  EXPECT_NEAR(sum / n, 0, 5 / std::sqrt(n));
  EXPECT_NEAR(squares / n, 1, 5 * std::sqrt(2 / n));
  EXPECT_NEAR(cubes / n, 0, 5 * std::sqrt(15 / n));
  EXPECT_NEAR(fourths / n, 3, 5 * std::sqrt(96 / n));
}

class Permutation : public testing::TestWithParam<std::uint32_t> {};

TEST_P(Permutation, IsABijection) {
  const std::uint32_t n = GetParam();
  for (const std::uint32_t epoch : {0u, 1u}) {
    std::vector<bool> seen(n);
    for (std::uint32_t i = 0; i < n; ++i) {
      const std::uint32_t image = permuted_index({11, 13}, epoch, i, n);
      ASSERT_LT(image, n) << "n=" << n << " epoch=" << epoch << " i=" << i;
      ASSERT_FALSE(seen[image]) << "n=" << n << " epoch=" << epoch << " i=" << i;
      seen[image] = true;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, Permutation,
                         testing::Values(1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 97, 127,
                                         128, 129, 1000, 1023, 1024, 1025, 4093, 65535, 65536,
                                         65537));

TEST(Permutation, LargestSizeStaysInRange) {
  const std::uint32_t n = 1u << 31;
  for (const std::uint32_t i : {0u, 1u, 12345u, n - 1})
    EXPECT_LT(permuted_index({1, 2}, 0, i, n), n);
}

// Every place is reached from every place about equally often over the epochs.
TEST(Permutation, EpochsDiffer) {
  const std::uint32_t n = 10;
  const int epochs = 20000;
  std::vector<int> counts(n * n);
  for (int epoch = 0; epoch < epochs; ++epoch) {
    for (std::uint32_t i = 0; i < n; ++i) ++counts[i * n + permuted_index({5, 6}, epoch, i, n)];
  }
  const double expected = epochs / double{n};
  for (const int count : counts) EXPECT_NEAR(count, expected, 6 * std::sqrt(expected));
}

}  // namespace
}  // namespace engine
