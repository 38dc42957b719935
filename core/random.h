#pragma once

#include <array>
#include <cstdint>
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
  return static_cast<float>(word >> 8) * 0x1p-24f;
}

// The image of `index` under a keyed permutation of [0, n): a four-round Feistel network over
// Philox with cycle walking. Every index in [0, n) occurs once. n <= 2^31.
std::uint32_t permuted_index(RandomKey key, std::uint32_t epoch, std::uint32_t index,
                             std::uint32_t n);

}  // namespace engine
