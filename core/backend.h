#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "engine/core/device.h"

namespace engine {

// Work recorded once and replayed with one call.
class Recording {
 public:
  virtual ~Recording() = default;
  virtual void replay(void* stream) = 0;
};

// What tensors and executables need of a kind of device. One implementation each for CPU and CUDA.
// `index` is Device::index(); `stream` is Stream::native_handle(), null for the default stream.
class Backend {
 public:
  virtual ~Backend() = default;

  // Aligned to kAlignment (256 bytes), ready on every stream. Throws OutOfMemory.
  virtual void* allocate(std::int64_t bytes, int index) = 0;
  // Work on the memory must be done, or be on a stream that the default stream waits for.
  virtual void release(void* data, int index) noexcept = 0;
  // In order on `stream`. Either side may be host memory.
  virtual void copy(void* to, const void* from, std::int64_t bytes, int index, void* stream) = 0;
  virtual void fill_zero(void* data, std::int64_t bytes, int index, void* stream) = 0;
  virtual void synchronize(int index, void* stream) = 0;

  // Records what `enqueue(stream)` enqueues, without running it. Null where the device has no
  // recordings or the work cannot be recorded; the caller then enqueues it every time.
  virtual std::unique_ptr<Recording> record(int index,
                                            const std::function<void(void* stream)>& enqueue) = 0;

  // True while a caller captures this stream's work into a recording of his own.
  virtual bool is_capturing(int index, void* stream) = 0;

  // Why this build has no code for the device: "built for 8.0, 9.0a; this GPU (Tesla T4) is 7.5".
  // "" where it has.
  virtual std::string why_unsupported(int index) = 0;
  // Makes the device ready for this process. Throws where that fails: it is busy, its memory full.
  virtual void open(int index) = 0;
  virtual std::string describe(int index) = 0;  // "NVIDIA H100, compute capability 9.0, 80 GB"
};

Backend& cpu_backend();
// Null when the library was built without CUDA.
Backend* cuda_backend();
// CUDA devices that this process sees; 0 without CUDA or a driver, and cuda_problem() then says why
// in words.
int cuda_device_count();
std::string cuda_problem();
// "CUDA 13.0, for 8.0, 9.0a"; "" when the library was built without CUDA.
std::string cuda_build_string();

// The backend of a device; throws InvalidArgument when it is not in this build.
Backend& backend_of(const Device& device);

}  // namespace engine
