#pragma once

#include <bit>
#include <cstdint>
#include <iosfwd>
#include <string_view>

namespace engine {

// Element types of tensors. `boolean` (one byte, 0 or 1) prints as "bool".
enum class DType : std::uint8_t { f32, bf16, f16, i32, u8, boolean };

std::int64_t size_of(DType dtype);  // bytes of one element
std::string_view name_of(DType dtype);
bool is_floating_point(DType dtype);
std::ostream& operator<<(std::ostream& out, DType dtype);

// bfloat16 storage: the upper half of an f32. Conversion rounds to nearest, ties to even; NaN stays
// NaN (quiet).
struct BFloat16 {
  std::uint16_t bits = 0;

  BFloat16() = default;
  explicit BFloat16(float value) : bits(rounded(value)) {}
  explicit operator float() const {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
  }
  // The bits of the nearest bfloat16. Loops assign them to `bits`: compilers vectorise that, but
  // not the assignment of a whole BFloat16.
  static std::uint16_t rounded(float value) {
    const auto word = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t nearest = word + 0x7fffu + ((word >> 16) & 1u);
    const std::uint32_t quiet_nan = word | 0x400000u;
    const bool is_nan = (word & 0x7fffffffu) > 0x7f800000u;
    return static_cast<std::uint16_t>((is_nan ? quiet_nan : nearest) >> 16);
  }
  bool operator==(const BFloat16&) const = default;
};

// IEEE binary16 storage. Conversion rounds to nearest, ties to even.
struct Float16 {
  std::uint16_t bits = 0;

  Float16() = default;
  explicit Float16(float value);
  explicit operator float() const;
  bool operator==(const Float16&) const = default;
};

// The DType of a C++ element type: dtype_of<float>() == DType::f32.
template <class T>
constexpr DType dtype_of();
template <>
constexpr DType dtype_of<float>() {
  return DType::f32;
}
template <>
constexpr DType dtype_of<BFloat16>() {
  return DType::bf16;
}
template <>
constexpr DType dtype_of<Float16>() {
  return DType::f16;
}
template <>
constexpr DType dtype_of<std::int32_t>() {
  return DType::i32;
}
template <>
constexpr DType dtype_of<std::uint8_t>() {
  return DType::u8;
}
template <>
constexpr DType dtype_of<bool>() {
  return DType::boolean;
}

}  // namespace engine
