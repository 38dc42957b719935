#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bench/engine_bench/results.h"
#include "bench/engine_bench/stopwatch.h"
#include "engine/core/device.h"

// What engine_bench needs of the CUDA runtime, in cuda_device.cpp; no_cuda_device.cpp stands in for
// it in a build without CUDA and throws.
namespace engine::bench {

std::unique_ptr<Stopwatch> make_cuda_stopwatch(const Device& device);

std::int64_t cuda_l2_bytes(const Device& device);
std::int64_t cuda_free_bytes(const Device& device);
std::string cuda_pci_bus_id(const Device& device);
// Versions of driver, runtime and cuBLAS; multiprocessors and L2.
std::vector<std::pair<std::string, std::string>> cuda_versions(const Device& device);

// Copies large buffers and multiplies large matrices (cuBLAS) until the times have settled; leaves
// the clocks where they settle.
Ceilings measure_cuda_ceilings(const Device& device, double seconds);

}  // namespace engine::bench
