#pragma once

#include "engine/core/device.h"

namespace engine {

// An ordered queue of device work. On the CPU work is done before a call returns. On CUDA a stream
// wraps a cudaStream_t that the caller owns, or the device's default stream.
class Stream {
 public:
  // Work on the device's default stream.
  Stream(Device device) : device_(device) {}  // NOLINT: a Device is a Stream wherever one is asked
  // Work on the caller's stream; the engine never synchronises it on its own. See Executable for
  // the order of work on different streams.
  static Stream borrow(Device device, void* cuda_stream) { return Stream(device, cuda_stream); }

  const Device& device() const { return device_; }
  void* native_handle() const { return native_handle_; }  // a cudaStream_t; null on the CPU

  void synchronize() const;  // waits until everything enqueued so far is done

 private:
  Stream(Device device, void* handle) : device_(device), native_handle_(handle) {}

  Device device_;
  void* native_handle_ = nullptr;
};

}  // namespace engine
