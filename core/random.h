#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace engine {

// Counter-based randomness: Philox 4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy
// as 1, 2, 3") through Random123. key = seed ^ hash(name); counter = (element / 4, step, draw).
// Integers and uniforms are the same bits on every device.
struct RandomKey {
  std::uint32_t low = 0;
  std::uint32_t high = 0;
};

// FNV-1a, 64 bits.
std::uint64_t hash_name(std::string_view name);
RandomKey random_key(std::uint64_t seed, std::uint64_t name_hash);

// Four random words for elements 4 * block .. 4 * block + 3.
std::array<std::uint32_t, 4> philox(RandomKey key, std::uint64_t block, std::uint32_t step,
                                    std::uint32_t draw);

// A word as a uniform number in [0, 1): 24 bits, exact in f32.
constexpr float uniform_from_bits(std::uint32_t word) {
  return static_cast<float>(static_cast<std::int32_t>(word >> 8)) * 0x1p-24f;
}

// Two independent N(0, 1) numbers from two words (Box and Muller 1958): with u = (a + 0.5) / 2^32
// and t = b / 2^32, sqrt(-2 ln u) cos(2 pi t) and sqrt(-2 ln u) sin(2 pi t). Within 2 ulp.
std::array<float, 2> normals_from_bits(std::uint32_t a, std::uint32_t b);

// Where in the stream of random numbers a tensor or a part of it lies.
struct RandomStream {
  RandomKey key;
  std::uint32_t step = 0;
  std::uint32_t draw = 0;
  std::int64_t first = 0;  // element; a multiple of 4
};

// Whole tensors at once, by vector instructions: element i of `out` is element first + i. The same
// bits as philox(), uniform_from_bits() and normals_from_bits() (elements 0, 1 and 2, 3 of a block
// are its two pairs). Calling thread only.
void fill_words(const RandomStream& stream, std::span<std::uint32_t> out);
void fill_uniform(const RandomStream& stream, std::span<float> out);
void fill_normal(const RandomStream& stream, std::span<float> out);

// The image of `index` under a keyed permutation of [0, n): a four-round Feistel network over
// Philox with cycle walking, then a keyed rotation. Every index in [0, n) occurs once. 1 <= n <=
// 2^31, index < n.
std::uint32_t permuted_index(RandomKey key, std::uint32_t epoch, std::uint32_t index,
                             std::uint32_t n);

}  // namespace engine
