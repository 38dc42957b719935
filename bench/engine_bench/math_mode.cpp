#include "bench/engine_bench/math_mode.h"

#include <bit>
#include <cmath>

namespace engine::bench {

std::string_view name_of(MathMode mode) {
  constexpr std::string_view kNames[] = {"f32", "tf32", "bf16", "f16"};
  return kNames[static_cast<int>(mode)];
}

DType storage_of(MathMode mode) {
  constexpr DType kTypes[] = {DType::f32, DType::f32, DType::bf16, DType::f16};
  return kTypes[static_cast<int>(mode)];
}

bool can_compute(const Device& device, MathMode mode) {
  switch (mode) {
    case MathMode::f32:
    case MathMode::bf16:
      return true;
    case MathMode::tf32:
      return device.has_tf32_matrix_units();
    case MathMode::f16:
      return device.is_cuda();
  }
  return false;
}

float rounded_to(MathMode mode, float value) {
  switch (mode) {
    case MathMode::f32:
      return value;
    case MathMode::tf32: {
      if (!std::isfinite(value)) return value;
      constexpr std::uint32_t kDropped = 13;  // of the 24 significant bits
      const auto bits = std::bit_cast<std::uint32_t>(value) + (1u << (kDropped - 1));
      return std::bit_cast<float>(bits & ~((1u << kDropped) - 1));
    }
    case MathMode::bf16:
      return static_cast<float>(BFloat16(value));
    case MathMode::f16:
      return static_cast<float>(Float16(value));
  }
  return value;
}

}  // namespace engine::bench
