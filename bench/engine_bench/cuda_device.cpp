#include "bench/engine_bench/cuda_device.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

#include <cuda_runtime.h>

#include "bench/engine_bench/cuda_ceilings.h"
#include "engine/core/backend.h"
#include "engine/core/cuda/device_guard.h"
#include "engine/core/cuda/handles.h"
#include "engine/core/tensor.h"

namespace engine::bench {
namespace {

using cuda::DeviceGuard;

cuda::UniqueEvent make_event() {
  cuda::UniqueEvent event;
  ENGINE_CUDA_CHECK(cudaEventCreate(event.out()));
  return event;
}

class EventBlock final : public Block {
 public:
  EventBlock(Device device, Enqueue enqueue, int calls, bool is_short)
      : device_(device), enqueue_(std::move(enqueue)), calls_(calls) {
    if (!is_short) return;
    recording_ = backend_of(device_).record(device_.index(), [this](void* handle) {
      const Stream stream = Stream::borrow(device_, handle);
      for (int i = 0; i < calls_; ++i) enqueue_(stream, i);
    });
    // The first launch uploads the graph.
    if (recording_ != nullptr) replay_and_wait();
  }

  double seconds() override {
    const DeviceGuard guard(device_.index());
    ENGINE_CUDA_CHECK(cudaEventRecord(begin_.get(), nullptr));
    if (recording_ != nullptr) {
      recording_->replay(nullptr);
    } else {
      for (int i = 0; i < calls_; ++i) enqueue_(Stream(device_), next_++);
    }
    ENGINE_CUDA_CHECK(cudaEventRecord(end_.get(), nullptr));
    ENGINE_CUDA_CHECK(cudaEventSynchronize(end_.get()));
    float milliseconds = 0;
    ENGINE_CUDA_CHECK(cudaEventElapsedTime(&milliseconds, begin_.get(), end_.get()));
    return 1e-3 * static_cast<double>(milliseconds) / calls_;
  }

 private:
  void replay_and_wait() {
    recording_->replay(nullptr);
    backend_of(device_).synchronize(device_.index(), nullptr);
  }

  Device device_;
  Enqueue enqueue_;
  int calls_;
  int next_ = 0;  // goes on from block to block, so that all buffers take part
  std::unique_ptr<Recording> recording_;
  cuda::UniqueEvent begin_ = make_event(), end_ = make_event();
};

class EventClock final : public Stopwatch {
 public:
  explicit EventClock(Device device) : device_(device) {}
  std::unique_ptr<Block> block(Enqueue enqueue, int calls, bool is_short) override {
    const DeviceGuard guard(device_.index());
    return std::make_unique<EventBlock>(device_, std::move(enqueue), calls, is_short);
  }

 private:
  Device device_;
};

cudaDeviceProp properties_of(const Device& device) {
  cudaDeviceProp properties = {};
  ENGINE_CUDA_CHECK(cudaGetDeviceProperties(&properties, device.index()));
  return properties;
}

std::string version_text(int version) {  // 12060 is 12.6
  return join(version / 1000, '.', version % 1000 / 10);
}

double copy_rate(const Device& device, Stopwatch& stopwatch, double limit) {
  const std::int64_t bytes =
      std::min<std::int64_t>(std::int64_t{1} << 30, cuda_free_bytes(device) / 8);
  const Tensor from = Tensor::zeros({bytes}, DType::u8, device);
  const Tensor to = Tensor::zeros({bytes}, DType::u8, device);
  const double seconds = settled_seconds(
      stopwatch, [&](const Stream& stream) { to.copy_from(from, stream); }, limit);
  return 2 * static_cast<double>(bytes) / seconds;
}

}  // namespace

double settled_seconds(Stopwatch& stopwatch, const std::function<void(const Stream&)>& call,
                       double limit) {
  const auto block = stopwatch.block([&](const Stream& stream, int) { call(stream); }, 3, false);
  const auto begin = std::chrono::steady_clock::now();
  std::vector<double> times;
  do {
    times.push_back(block->seconds());
  } while (!has_settled(times, 10, 0.005) &&
           std::chrono::steady_clock::now() - begin < std::chrono::duration<double>(limit));
  const std::size_t last = std::min<std::size_t>(times.size(), 10);
  return spread_of({times.end() - static_cast<std::ptrdiff_t>(last), times.end()}).median;
}

std::unique_ptr<Stopwatch> make_cuda_stopwatch(const Device& device) {
  return std::make_unique<EventClock>(device);
}

std::int64_t cuda_l2_bytes(const Device& device) {
  return properties_of(device).l2CacheSize;
}

std::int64_t cuda_free_bytes(const Device& device) {
  const DeviceGuard guard(device.index());
  std::size_t free_bytes = 0, total_bytes = 0;
  ENGINE_CUDA_CHECK(cudaMemGetInfo(&free_bytes, &total_bytes));
  return static_cast<std::int64_t>(free_bytes);
}

std::string cuda_pci_bus_id(const Device& device) {
  const cudaDeviceProp properties = properties_of(device);
  char text[32] = {};
  std::snprintf(text, sizeof(text), "%08x:%02x:%02x.0", properties.pciDomainID, properties.pciBusID,
                properties.pciDeviceID);
  return text;
}

std::vector<std::pair<std::string, std::string>> cuda_versions(const Device& device) {
  int driver = 0, runtime = 0;
  ENGINE_CUDA_CHECK(cudaDriverGetVersion(&driver));
  ENGINE_CUDA_CHECK(cudaRuntimeGetVersion(&runtime));
  const cudaDeviceProp properties = properties_of(device);
  return {{"multiprocessors", join(properties.multiProcessorCount)},
          {"l2_bytes", join(properties.l2CacheSize)},
          {"cuda_driver_api", version_text(driver)},
          {"cuda_runtime", version_text(runtime)},
          {"cublas", cublas_version_text()}};
}

Ceilings measure_cuda_ceilings(const Device& device, double seconds) {
  const auto stopwatch = make_cuda_stopwatch(device);
  Ceilings ceilings;
  for (const MathMode mode : kMathModes) {
    ceilings.flops_per_second[mode] = cublas_matrix_rate(device, *stopwatch, mode, seconds);
  }
  ceilings.copy_bytes_per_second = copy_rate(device, *stopwatch, seconds);
  return ceilings;
}

}  // namespace engine::bench
