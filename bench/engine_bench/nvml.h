#pragma once

#include <string>
#include <utility>
#include <vector>

namespace engine::bench {

// Clocks (MHz), power (W), temperature (degrees Celsius) and driver of a GPU at this moment,
// through NVIDIA's management library, which is loaded while the program runs: nothing links it.
// One entry that says so where it is absent or refuses.
std::vector<std::pair<std::string, std::string>> gpu_state(const std::string& pci_bus_id);

}  // namespace engine::bench
