#pragma once

#include <cstdint>
#include <ostream>

namespace engine {

// A height and a width; one number stands for both: `.padding = 1`, `.kernel = {3, 5}`.
struct Extent2d {
  std::int64_t h = 0;
  std::int64_t w = 0;

  constexpr Extent2d() = default;
  constexpr Extent2d(std::int64_t both) : h(both), w(both) {}  // NOLINT: implicit on purpose
  constexpr Extent2d(std::int64_t height, std::int64_t width) : h(height), w(width) {}
  bool operator==(const Extent2d&) const = default;
};

// What the sides of an image or a window and the options over them may be at most: sums and
// products of two of them fit 64 bits.
inline constexpr std::int64_t kMaxSide = std::int64_t{1} << 31;

constexpr bool fits(const Extent2d& extent) {
  return extent.h <= kMaxSide && extent.w <= kMaxSide;
}

inline std::ostream& operator<<(std::ostream& out, const Extent2d& extent) {
  return out << extent.h << 'x' << extent.w;
}

}  // namespace engine
