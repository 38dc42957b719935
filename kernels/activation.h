#pragma once

#include <cstdint>
#include <string_view>

namespace engine {

// What a convolution or a product applies to its result before storing it; set by fusion only.
enum class Activation : std::uint8_t { none, relu };

inline std::string_view name_of(Activation activation) {
  return activation == Activation::relu ? "relu" : "none";
}

}  // namespace engine
