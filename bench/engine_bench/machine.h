#pragma once

#include "bench/engine_bench/results.h"
#include "engine/core/device.h"

// What the figures depend on besides our code.
namespace engine::bench {

// Date, device, versions, build, and the state of the machine now: clocks, power and temperature of
// a GPU, load of the CPU.
Header machine_header(const Device& device);
// The state alone, with "at_end_" before each key.
Header state_at_end(const Device& device);

std::int64_t last_level_cache_bytes(const Device& device);
std::int64_t free_bytes(const Device& device);

// The copy and matrix rates of the device; `seconds`: how long each may take to settle.
Ceilings measure_ceilings(const Device& device, double seconds);

}  // namespace engine::bench
