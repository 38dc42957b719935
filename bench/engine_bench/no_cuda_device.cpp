// Stands in for cuda_device.cpp. Nothing here is reached: without CUDA no Device is a CUDA device.
#include "bench/engine_bench/cuda_device.h"
#include "engine/core/errors.h"

namespace engine::bench {
namespace {

[[noreturn]] void fail() {
  throw InvalidArgument("engine_bench was built without CUDA");
}

}  // namespace

std::unique_ptr<Stopwatch> make_cuda_stopwatch(const Device&) {
  fail();
}
std::int64_t cuda_l2_bytes(const Device&) {
  fail();
}
std::int64_t cuda_free_bytes(const Device&) {
  fail();
}
std::string cuda_pci_bus_id(const Device&) {
  fail();
}
std::vector<std::pair<std::string, std::string>> cuda_versions(const Device&) {
  fail();
}
Ceilings measure_cuda_ceilings(const Device&, double) {
  fail();
}

}  // namespace engine::bench
