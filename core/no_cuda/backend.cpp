// What core asks of CUDA, in a build without it.
#include "engine/core/backend.h"

#include "engine/core/errors.h"
#include "engine/core/gpu.h"

namespace engine {

Backend* cuda_backend() {
  return nullptr;
}
int cuda_device_count() {
  return 0;
}
Gpu gpu_of(const Device& device) {
  throw InvalidArgument(join(device, " is no GPU: this library was built without CUDA"));
}
GpuMemory gpu_memory_of(const Device& device) {
  throw InvalidArgument(join(device, " is no GPU: this library was built without CUDA"));
}

std::string cuda_problem() {
  return "this library was built without CUDA";
}
std::string cuda_build_string() {
  return "";
}

}  // namespace engine
