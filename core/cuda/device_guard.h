#pragma once

namespace engine::cuda {

// Makes a device current for this thread, and puts back what was: the device's primary context goes
// onto the driver's stack of contexts, where the runtime's calls find it, and off again.
// cudaSetDevice() would create a context on the device that it puts back (CUDA 12 and later), and
// leave that one current in place of a context of the caller's own.
void push_device(int index);
void pop_device() noexcept;

class DeviceGuard {
 public:
  explicit DeviceGuard(int index) { push_device(index); }
  ~DeviceGuard() { pop_device(); }
  DeviceGuard(const DeviceGuard&) = delete;
  DeviceGuard& operator=(const DeviceGuard&) = delete;
};

}  // namespace engine::cuda
