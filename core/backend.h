#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/core/device.h"

namespace engine {

// Work recorded once and replayed with one call.
class Recording {
 public:
  virtual ~Recording() = default;
  virtual void replay(void* stream) = 0;
};

// The end of somebody's work on a stream, for other streams to wait for. Nobody waits on the CPU.
class Marker {
 public:
  virtual ~Marker() = default;
  virtual void set(void* stream) = 0;  // behind all that is on the stream now
  // What comes onto the stream from now on waits for that point, and for those that any Marker of
  // the device was set to on the default stream.
  virtual void hold(void* stream) = 0;
};

// Times between points of a stream.
class Timer {
 public:
  virtual ~Timer() = default;
  virtual void mark(void* stream) = 0;
  // Seconds from each mark to the next one since the last call; waits for them.
  virtual std::vector<double> take() = 0;
};

// What tensors and executables need of a kind of device. One implementation each for CPU and CUDA.
// `index` is Device::index(); `stream` is Stream::native_handle(), null for the default stream.
// Work that these calls put onto the default stream comes after every point that a Marker of the
// device was set to; work that kernels put there does after order_default_stream().
class Backend {
 public:
  virtual ~Backend() = default;

  // Aligned to kAlignment (256 bytes), ready on every stream. Throws OutOfMemory.
  virtual void* allocate(std::int64_t bytes, int index) = 0;
  // Work on the memory must be done, or be on a stream that the default stream waits for, if only
  // by a Marker.
  virtual void release(void* data, int index) noexcept = 0;
  // In order on `stream`. Either side may be host memory.
  virtual void copy(void* to, const void* from, std::int64_t bytes, int index, void* stream) = 0;
  virtual void fill_zero(void* data, std::int64_t bytes, int index, void* stream) = 0;
  virtual void synchronize(int index, void* stream) = 0;

  virtual std::unique_ptr<Marker> make_marker(int index) = 0;
  virtual void order_default_stream(int index) = 0;
  virtual std::unique_ptr<Timer> make_timer(int index) = 0;

  // Makes a device current for this thread, and puts back what was. See CurrentDevice.
  virtual void push_device(int index) = 0;
  virtual void pop_device() noexcept = 0;

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

// Kernels are prepared and enqueued while their device is current.
class CurrentDevice {
 public:
  explicit CurrentDevice(const Device& device) : backend_(backend_of(device)) {
    backend_.push_device(device.index());
  }
  ~CurrentDevice() { backend_.pop_device(); }
  CurrentDevice(const CurrentDevice&) = delete;
  CurrentDevice& operator=(const CurrentDevice&) = delete;

 private:
  Backend& backend_;
};

}  // namespace engine
