#pragma once

#include <cstdint>
#include <cstring>

#include "engine/core/cpu_clones.h"
#include "engine/core/dtype.h"

// Sixteen floats as one value, for code whose locals should be vector registers: one of AVX-512,
// two of AVX2, four of the baseline. Functions take references, as how a vector is passed by value
// depends on the instruction set.
namespace engine::cpu {

// The lanes of a and b whose numbers are given, those of b counted from 16 on.
#if defined(__clang__) || __GNUC__ >= 12
#define ENGINE_SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define ENGINE_SHUFFLE(a, b, ...) __builtin_shuffle(a, b, ::engine::cpu::LaneBits{__VA_ARGS__})
#endif

inline constexpr std::int64_t kLanes = 16;

typedef float Lanes __attribute__((vector_size(64)));
typedef std::uint32_t LaneBits __attribute__((vector_size(64)));
typedef std::uint16_t LaneHalves __attribute__((vector_size(32)));

ENGINE_ALWAYS_INLINE void load_lanes(const float* from, Lanes& lanes) {
  std::memcpy(&lanes, from, sizeof(lanes));
}

ENGINE_ALWAYS_INLINE void load_lanes(const BFloat16* from, Lanes& lanes) {
  LaneHalves halves;
  std::memcpy(&halves, from, sizeof(halves));
  lanes = (Lanes)(__builtin_convertvector(halves, LaneBits) << 16);
}

ENGINE_ALWAYS_INLINE void store_lanes(const Lanes& lanes, float* to) {
  std::memcpy(to, &lanes, sizeof(lanes));
}

// To the nearest, ties to even; NaN stays NaN.
ENGINE_ALWAYS_INLINE void store_lanes(const Lanes& lanes, BFloat16* to) {
  const LaneBits bits = (LaneBits)lanes;
  const LaneBits rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const LaneBits quiet = (bits >> 16) | 0x40u;
  const LaneBits is_nan = (LaneBits)(lanes != lanes);
  const LaneHalves halves =
      __builtin_convertvector((rounded & ~is_nan) | (quiet & is_nan), LaneHalves);
  std::memcpy(static_cast<void*>(to), &halves, sizeof(halves));
}

}  // namespace engine::cpu
