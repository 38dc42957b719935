#include "engine/core/dtype.h"

#include <ostream>

namespace engine {

namespace {

struct DTypeRow {
  std::string_view name;
  std::int64_t size;
  bool floating;
};

// In the order of the enumerators.
constexpr DTypeRow kRows[] = {
    {"f32", 4, true},  {"bf16", 2, true}, {"f16", 2, true},
    {"i32", 4, false}, {"u8", 1, false},  {"bool", 1, false},
};

const DTypeRow& row(DType dtype) {
  return kRows[static_cast<int>(dtype)];
}

}  // namespace

std::int64_t size_of(DType dtype) {
  return row(dtype).size;
}
std::string_view name_of(DType dtype) {
  return row(dtype).name;
}
bool is_floating_point(DType dtype) {
  return row(dtype).floating;
}

std::ostream& operator<<(std::ostream& out, DType dtype) {
  return out << name_of(dtype);
}

Float16::Float16(float value) {
  const auto word = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (word >> 16) & 0x8000u;
  const std::uint32_t magnitude = word & 0x7fffffffu;
  if (magnitude > 0x7f800000u) {  // NaN
    bits = static_cast<std::uint16_t>(sign | 0x7e00u | ((magnitude >> 13) & 0x3ffu));
  } else if (magnitude >= 0x477ff000u) {  // rounds to 65536 or more
    bits = static_cast<std::uint16_t>(sign | 0x7c00u);
  } else if (magnitude < 0x38800000u) {  // subnormal: units of 2^-24
    // Adding 0.5 leaves exactly the rounded multiple of 2^-24 in the low bits.
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    bits = static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(shifted) - 0x3f000000u));
  } else {
    const std::uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u);
    bits = static_cast<std::uint16_t>(sign | ((rounded - 0x38000000u) >> 13));
  }
}

Float16::operator float() const {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000u) << 16;
  const std::uint32_t magnitude = bits & 0x7fffu;
  if (magnitude >= 0x7c00u) {  // infinity or NaN
    return std::bit_cast<float>(sign | 0x7f800000u | ((magnitude & 0x3ffu) << 13));
  }
  if (magnitude < 0x400u) {  // subnormal
    const float value = static_cast<float>(magnitude) * 0x1p-24f;
    return sign != 0 ? -value : value;
  }
  return std::bit_cast<float>(sign | ((magnitude << 13) + 0x38000000u));
}

}  // namespace engine
