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

inline std::ostream& operator<<(std::ostream& out, const Extent2d& extent) {
  return out << extent.h << 'x' << extent.w;
}

}  // namespace engine
