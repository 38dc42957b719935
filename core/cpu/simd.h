#pragma once

#include <bit>
#include <cstdint>

#include "engine/core/cpu_clones.h"
#include "engine/core/dtype.h"

namespace engine::cpu {

// Storage to f32 and back, in a form that vectorises.
ENGINE_ALWAYS_INLINE float load(float value) {
  return value;
}
ENGINE_ALWAYS_INLINE float load(BFloat16 value) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(value.bits) << 16);
}

template <class T>
ENGINE_ALWAYS_INLINE T store(float value);
template <>
ENGINE_ALWAYS_INLINE float store<float>(float value) {
  return value;
}
template <>
ENGINE_ALWAYS_INLINE BFloat16 store<BFloat16>(float value) {
  return BFloat16(value);
}

}  // namespace engine::cpu
