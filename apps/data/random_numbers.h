#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>

#include "engine/core/random.h"

namespace engine::apps {

// A stream of random numbers (Philox) for host code that draws a varying number of them; streams of
// one seed are independent.
class RandomNumbers {
 public:
  RandomNumbers(std::uint64_t seed, std::uint64_t stream) : key_(random_key(seed, mix(stream))) {}

  std::uint32_t word() {
    if (used_ == 4) {
      words_ = philox(key_, block_++, 0, 0);
      used_ = 0;
    }
    return words_[used_++];
  }
  // In [0, n); the bias of at most n / 2^32 is accepted.
  std::uint32_t below(std::uint32_t n) {
    return static_cast<std::uint32_t>((std::uint64_t{word()} * n) >> 32);
  }
  float uniform() { return uniform_from_bits(word()); }  // [0, 1)
  float uniform(float low, float high) { return low + (high - low) * uniform(); }
  bool chance(float probability) { return uniform() < probability; }
  float normal() {
    const float u = 1.0f - uniform();
    return std::sqrt(-2.0f * std::log(u)) * std::cos(2 * std::numbers::pi_v<float> * uniform());
  }

 private:
  // Neighbouring stream numbers become unrelated keys (the finalizer of SplitMix64).
  static std::uint64_t mix(std::uint64_t x) {
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
  }

  RandomKey key_;
  std::array<std::uint32_t, 4> words_{};
  int used_ = 4;
  std::uint64_t block_ = 0;
};

}  // namespace engine::apps
