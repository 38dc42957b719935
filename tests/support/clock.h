#pragma once

#include <cstdint>
#include <vector>

#include "engine/core/store.h"

namespace engine {

// Sets the step that the next run begins at.
inline void set_step(Store& store, std::int32_t step) {
  const auto seed = store.seed();
  store.set("engine.clock",
            Tensor::from(std::vector<std::int32_t>{static_cast<std::int32_t>(seed),
                                                   static_cast<std::int32_t>(seed >> 32), step, 0},
                         {4}));
}

// A Store with nothing but the clock.
inline Store store_at(std::uint64_t seed, std::int32_t step) {
  Store store(Device::cpu(), {.seed = seed});
  set_step(store, step);
  return store;
}

}  // namespace engine
