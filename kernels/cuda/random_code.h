#pragma once

// Random numbers inside kernels: the same as core/random.h, which defines them.
#include <cstdint>

#include <Random123/philox.h>  // after cuda_runtime.h, which it looks for
#include <cuda_runtime.h>

#include "engine/core/random.h"

namespace engine::cuda {

struct RandomBlock {
  std::uint32_t words[4];
};

// The numbers of a random op in the step that the clock ({seed low, seed high, step, 0}) shows.
struct DeviceRandom {
  std::uint32_t key_low, key_high, step;

  __device__ DeviceRandom(const std::int32_t* clock, std::uint64_t name_hash)
      : key_low(static_cast<std::uint32_t>(clock[0]) ^ static_cast<std::uint32_t>(name_hash)),
        key_high(static_cast<std::uint32_t>(clock[1]) ^
                 static_cast<std::uint32_t>(name_hash >> 32)),
        step(static_cast<std::uint32_t>(clock[2])) {}

  // philox(); `middle` is the third word of the counter, which is the step except in shuffles.
  __device__ RandomBlock block(std::uint64_t index, std::uint32_t middle,
                               std::uint32_t draw) const {
    const philox4x32_ctr_t counter = {
        {static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32), middle, draw}};
    const philox4x32_key_t key = {{key_low, key_high}};
    const philox4x32_ctr_t words = philox4x32_R(10, counter, key);
    return {{words.v[0], words.v[1], words.v[2], words.v[3]}};
  }
};

// uniform_from_bits(): exact.
__device__ inline float uniform_of(std::uint32_t word) {
  return static_cast<float>(static_cast<std::int32_t>(word >> 8)) * 0x1p-24f;
}

}  // namespace engine::cuda
