#pragma once

#include <bit>
#include <cstdint>

#include <cuda_fp16.h>

// The operand formats of tensor cores, as f32.
namespace engine::simt {

inline float bf16_low(std::uint32_t pair) {
  return std::bit_cast<float>(pair << 16);
}
inline float bf16_high(std::uint32_t pair) {
  return std::bit_cast<float>(pair & 0xffff0000u);
}
inline float f16(std::uint16_t bits) {
  return __half2float(std::bit_cast<__half>(bits));
}
inline float f16_low(std::uint32_t pair) {
  return f16(static_cast<std::uint16_t>(pair));
}
inline float f16_high(std::uint32_t pair) {
  return f16(static_cast<std::uint16_t>(pair >> 16));
}
// The hardware ignores the low 13 bits.
inline float tf32(std::uint32_t bits) {
  return std::bit_cast<float>(bits & 0xffffe000u);
}

}  // namespace engine::simt
