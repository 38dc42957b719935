#pragma once

#include "engine/core/device.h"

namespace engine {

// What the choice of a CUDA kernel depends on. The defaults are an A100's.
struct Gpu {
  int capability = 80;  // 10 major + minor
  int multiprocessors = 108;
};

// Throws where the device is no CUDA device.
Gpu gpu_of(const Device& device);

}  // namespace engine
