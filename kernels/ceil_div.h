#pragma once

#include <cstdint>

namespace engine {

// Of sizes: how many pieces of `size` cover `count`.
constexpr std::int64_t ceil_div(std::int64_t count, std::int64_t size) {
  return (count + size - 1) / size;
}

}  // namespace engine
