#pragma once

#include "engine/core/device.h"

namespace engine {

// What the choice of a CUDA kernel depends on. The defaults are an A100's.
struct Gpu {
  // Of the code of this build that runs there: 10 major + minor; 90 only with code for 9.0a.
  int capability = 80;
  int multiprocessors = 108;
  // KiB of shared memory of a multiprocessor. Of the GPU, not of the code: 8.6 runs 8.0's with 100.
  int shared_kib = 164;
};

// Bytes of a GPU's memory.
struct GpuMemory {
  std::int64_t free = 0;  // for tensors of this process, with what it keeps of those that are gone
  std::int64_t peak = 0;  // the most that its tensors have taken so far
};

// Both throw where the device is no CUDA device.
Gpu gpu_of(const Device& device);
GpuMemory gpu_memory_of(const Device& device);

}  // namespace engine
