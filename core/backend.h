#pragma once

#include <cstdint>

#include "engine/core/device.h"

namespace engine {

// What tensors and executables need of a kind of device. One implementation each for CPU and CUDA.
class Backend {
 public:
  virtual ~Backend() = default;

  // Aligned to kAlignment (256 bytes). Throws OutOfMemory.
  virtual void* allocate(std::int64_t bytes, int index) = 0;
  virtual void release(void* data, int index) noexcept = 0;
  // In order on `stream` (null: the default stream). Either side may be host memory.
  virtual void copy(void* to, const void* from, std::int64_t bytes, int index, void* stream) = 0;
  virtual void fill_zero(void* data, std::int64_t bytes, int index, void* stream) = 0;
  virtual void synchronize(int index, void* stream) = 0;
};

Backend& cpu_backend();
// Null when the library was built without CUDA.
Backend* cuda_backend();
// Number of usable CUDA devices; 0 without CUDA or a driver.
int cuda_device_count();

// The backend of a device; throws InvalidArgument when it is not in this build.
Backend& backend_of(const Device& device);

}  // namespace engine
