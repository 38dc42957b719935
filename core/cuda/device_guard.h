#pragma once

#include "engine/core/cuda/check.h"

namespace engine::cuda {

// Makes a device current for this thread and puts the previous one back.
class DeviceGuard {
 public:
  explicit DeviceGuard(int index) {
    ENGINE_CUDA_CHECK(cudaGetDevice(&previous_));
    is_changed_ = previous_ != index;
    if (is_changed_) ENGINE_CUDA_CHECK(cudaSetDevice(index));
  }
  ~DeviceGuard() {
    if (is_changed_) cudaSetDevice(previous_);
  }
  DeviceGuard(const DeviceGuard&) = delete;
  DeviceGuard& operator=(const DeviceGuard&) = delete;

 private:
  int previous_ = 0;
  bool is_changed_ = false;
};

}  // namespace engine::cuda
