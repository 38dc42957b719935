#pragma once

namespace engine::bench {

// The three computations of a layer with weights.
enum class Pass { forward, backward_data, backward_weights };

constexpr const char* name_of(Pass pass) {
  constexpr const char* kNames[] = {"forward", "backward_data", "backward_weights"};
  return kNames[static_cast<int>(pass)];
}

}  // namespace engine::bench
