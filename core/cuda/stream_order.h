#pragma once

// Events behind Marker and Timer of core/backend.h.
#include <algorithm>
#include <map>
#include <mutex>
#include <vector>

#include "engine/core/backend.h"
#include "engine/core/cuda/check.h"
#include "engine/core/cuda/device_guard.h"
#include "engine/core/cuda/handles.h"

namespace engine::cuda {

inline cudaStream_t stream_of(void* handle) {
  return static_cast<cudaStream_t>(handle);
}

// The order between a device's default stream and streams of callers that do not wait for it.
class StreamOrder {
 public:
  // The default stream is to wait for the event. It is told so only when the engine puts work
  // there: the caller's own work on it need not wait.
  void add(int index, cudaEvent_t event) {
    const std::lock_guard lock(mutex_);
    std::vector<cudaEvent_t>& events = of_device_[index].open;
    if (std::find(events.begin(), events.end(), event) == events.end()) events.push_back(event);
  }
  // Whether it was to be waited for still.
  bool remove(int index, cudaEvent_t event) {
    const std::lock_guard lock(mutex_);
    std::vector<cudaEvent_t>& events = of_device_[index].open;
    const auto found = std::find(events.begin(), events.end(), event);
    if (found == events.end()) return false;
    events.erase(found);
    return true;
  }
  // The rest is called with the device current.
  void hold_default_stream(int index) {
    const std::lock_guard lock(mutex_);
    std::vector<cudaEvent_t>& events = of_device_[index].open;
    for (; !events.empty(); events.pop_back()) {
      ENGINE_CUDA_CHECK(cudaStreamWaitEvent(nullptr, events.back(), 0));
    }
  }
  // Behind all that executables have put onto the default stream.
  cudaEvent_t default_stream_event(int index) {
    const std::lock_guard lock(mutex_);
    UniqueEvent& event = of_device_[index].on_default_stream;
    if (event.get() == nullptr) {
      ENGINE_CUDA_CHECK(cudaEventCreateWithFlags(event.out(), cudaEventDisableTiming));
    }
    return event.get();
  }

 private:
  struct PerDevice {
    std::vector<cudaEvent_t> open;
    UniqueEvent on_default_stream;
  };
  std::mutex mutex_;
  std::map<int, PerDevice> of_device_;
};

class EventMarker final : public Marker {
 public:
  EventMarker(int index, StreamOrder& order) : index_(index), order_(order) {
    const DeviceGuard guard(index);
    ENGINE_CUDA_CHECK(cudaEventCreateWithFlags(event_.out(), cudaEventDisableTiming));
  }
  ~EventMarker() override {
    if (!order_.remove(index_, event_.get())) return;
    try {
      const DeviceGuard guard(index_);
      cudaStreamWaitEvent(nullptr, event_.get(), 0);
    } catch (const CudaError&) {  // the process ends
    }
  }
  void set(void* stream) override {
    const DeviceGuard guard(index_);
    if (stream == nullptr) {
      ENGINE_CUDA_CHECK(cudaEventRecord(order_.default_stream_event(index_), nullptr));
      return;
    }
    ENGINE_CUDA_CHECK(cudaEventRecord(event_.get(), stream_of(stream)));
    order_.add(index_, event_.get());
  }
  void hold(void* stream) override {
    const DeviceGuard guard(index_);
    for (cudaEvent_t event : {event_.get(), order_.default_stream_event(index_)}) {
      ENGINE_CUDA_CHECK(cudaStreamWaitEvent(stream_of(stream), event, 0));
    }
  }

 private:
  int index_;
  StreamOrder& order_;
  UniqueEvent event_;
};

class EventTimer final : public Timer {
 public:
  explicit EventTimer(int index) : index_(index) {}
  void mark(void* stream) override {
    const DeviceGuard guard(index_);
    if (marked_ == events_.size()) ENGINE_CUDA_CHECK(cudaEventCreate(events_.emplace_back().out()));
    ENGINE_CUDA_CHECK(cudaEventRecord(events_[marked_++].get(), stream_of(stream)));
  }
  std::vector<double> take() override {
    const DeviceGuard guard(index_);
    std::vector<double> seconds;
    if (marked_ > 0) ENGINE_CUDA_CHECK(cudaEventSynchronize(events_[marked_ - 1].get()));
    for (std::size_t i = 1; i < marked_; ++i) {
      float milliseconds = 0;
      ENGINE_CUDA_CHECK(
          cudaEventElapsedTime(&milliseconds, events_[i - 1].get(), events_[i].get()));
      seconds.push_back(milliseconds * 1e-3);
    }
    marked_ = 0;
    return seconds;
  }

 private:
  int index_;
  std::vector<UniqueEvent> events_;
  std::size_t marked_ = 0;
};

}  // namespace engine::cuda
