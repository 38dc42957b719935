// The CUDA side of core/backend.h. Memory comes from a stream-ordered pool of the engine's own for
// each device, which keeps what is freed (CUDA C++ Programming Guide, "Stream Ordered Memory
// Allocator"); the device's default pool, and its settings, stay the caller's.
#include <cstdint>
#include <map>
#include <mutex>

#include <cuda_runtime.h>

#include "engine/core/backend.h"
#include "engine/core/cuda/check.h"
#include "engine/core/cuda/device_guard.h"
#include "engine/core/cuda/handles.h"
#include "engine/core/cuda/stream_order.h"
#include "engine/core/cuda/targets.h"
#include "engine/core/gpu.h"

namespace engine {

namespace {

using cuda::DeviceGuard;
using cuda::stream_of;

class GraphRecording final : public Recording {
 public:
  explicit GraphRecording(int index, cuda::UniqueGraphExec exec)
      : index_(index), exec_(std::move(exec)) {}
  void replay(void* stream) override {
    const DeviceGuard guard(index_);
    ENGINE_CUDA_CHECK(cudaGraphLaunch(exec_.get(), stream_of(stream)));
  }

 private:
  int index_;
  cuda::UniqueGraphExec exec_;
};

class CudaBackend final : public Backend {
 public:
  void* allocate(std::int64_t bytes, int index) override {
    const DeviceGuard guard(index);
    const cudaMemPool_t pool = pool_of(index);
    void* data = try_allocate(bytes, pool);
    if (data == nullptr) {
      // What the pool kept may be in pieces that are too small.
      ENGINE_CUDA_CHECK(cudaStreamSynchronize(nullptr));
      ENGINE_CUDA_CHECK(cudaMemPoolTrimTo(pool, 0));
      data = try_allocate(bytes, pool);
    }
    if (data == nullptr) throw_out_of_memory(bytes, index);
    // The pool hands the memory out in the default stream's order; now any stream may use it.
    ENGINE_CUDA_CHECK(cudaStreamSynchronize(nullptr));
    return data;
  }

  void release(void* data, int index) noexcept override {
    try {
      const DeviceGuard guard(index);
      order_.hold_default_stream(index);
      cudaFreeAsync(data, nullptr);
    } catch (const CudaError&) {  // the process ends
    }
  }

  void copy(void* to, const void* from, std::int64_t bytes, int index, void* stream) override {
    if (bytes == 0) return;
    const DeviceGuard guard(index);
    if (stream == nullptr) order_.hold_default_stream(index);
    ENGINE_CUDA_CHECK(cudaMemcpyAsync(to, from, static_cast<std::size_t>(bytes), cudaMemcpyDefault,
                                      stream_of(stream)));
  }

  void fill_zero(void* data, std::int64_t bytes, int index, void* stream) override {
    if (bytes == 0) return;
    const DeviceGuard guard(index);
    if (stream == nullptr) order_.hold_default_stream(index);
    ENGINE_CUDA_CHECK(cudaMemsetAsync(data, 0, static_cast<std::size_t>(bytes), stream_of(stream)));
  }

  void synchronize(int index, void* stream) override {
    const DeviceGuard guard(index);
    if (stream == nullptr) order_.hold_default_stream(index);
    ENGINE_CUDA_CHECK(cudaStreamSynchronize(stream_of(stream)));
  }

  std::unique_ptr<Marker> make_marker(int index) override {
    return std::make_unique<cuda::EventMarker>(index, order_);
  }
  void order_default_stream(int index) override {
    const DeviceGuard guard(index);
    order_.hold_default_stream(index);
  }
  std::unique_ptr<Timer> make_timer(int index) override {
    return std::make_unique<cuda::EventTimer>(index);
  }

  void push_device(int index) override { cuda::push_device(index); }
  void pop_device() noexcept override { cuda::pop_device(); }

  std::unique_ptr<Recording> record(int index, const std::function<void(void*)>& enqueue) override {
    const DeviceGuard guard(index);
    // The default stream cannot be captured; this one never runs anything.
    cuda::UniqueStream stream;
    ENGINE_CUDA_CHECK(cudaStreamCreateWithFlags(stream.out(), cudaStreamNonBlocking));
    cuda::UniqueGraph graph;
    cuda::UniqueGraphExec exec;
    if (!capture(stream.get(), enqueue, graph.out()) ||
        cudaGraphInstantiate(exec.out(), graph.get(), 0) != cudaSuccess) {
      cudaGetLastError();  // leaves no error behind for the next call
      return nullptr;
    }
    return std::make_unique<GraphRecording>(index, std::move(exec));
  }

  bool is_capturing(int index, void* stream) override {
    if (stream == nullptr) return false;
    const DeviceGuard guard(index);
    cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    ENGINE_CUDA_CHECK(cudaStreamIsCapturing(stream_of(stream), &status));
    return status != cudaStreamCaptureStatusNone;
  }

  std::string why_unsupported(int index) override {
    cudaDeviceProp properties = {};
    ENGINE_CUDA_CHECK(cudaGetDeviceProperties(&properties, index));
    // Below 8.0 there is neither bf16 nor cp.async, whatever the build was asked for.
    if (properties.major >= 8 &&
        cuda::code_for(properties.major, properties.minor, cuda::built_targets()) > 0) {
      return "";
    }
    return join("built for ", cuda::built_targets(), "; this GPU (", properties.name, ") is ",
                properties.major, '.', properties.minor);
  }

  void open(int index) override {
    const cudaError_t error = cudaInitDevice(index, 0, 0);
    if (error == cudaSuccess) return;
    cudaGetLastError();
    throw CudaError(join("device cuda:", index, ": ", cuda::explain(error)));
  }

  std::string describe(int index) override {
    cudaDeviceProp properties = {};
    ENGINE_CUDA_CHECK(cudaGetDeviceProperties(&properties, index));
    return join(properties.name, ", compute capability ", properties.major, '.', properties.minor,
                ", ", properties.totalGlobalMem >> 20, " MiB");
  }

  GpuMemory memory(int index) {
    const DeviceGuard guard(index);
    std::size_t free_bytes = 0, total_bytes = 0;
    ENGINE_CUDA_CHECK(cudaMemGetInfo(&free_bytes, &total_bytes));
    const cudaMemPool_t pool = pool_of(index);
    const auto attribute = [&](cudaMemPoolAttr which) {
      std::uint64_t bytes = 0;
      ENGINE_CUDA_CHECK(cudaMemPoolGetAttribute(pool, which, &bytes));
      return static_cast<std::int64_t>(bytes);
    };
    const std::int64_t kept =
        attribute(cudaMemPoolAttrReservedMemCurrent) - attribute(cudaMemPoolAttrUsedMemCurrent);
    return {.free = static_cast<std::int64_t>(free_bytes) + kept,
            .peak = attribute(cudaMemPoolAttrUsedMemHigh)};
  }

 private:
  cudaMemPool_t pool_of(int index) {
    const std::lock_guard lock(mutex_);
    cudaMemPool_t& pool = pools_[index];
    if (pool == nullptr) {
      cudaMemPoolProps properties = {};
      properties.allocType = cudaMemAllocationTypePinned;
      properties.location.type = cudaMemLocationTypeDevice;
      properties.location.id = index;
      ENGINE_CUDA_CHECK(cudaMemPoolCreate(&pool, &properties));
      std::uint64_t everything = UINT64_MAX;
      ENGINE_CUDA_CHECK(
          cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &everything));
    }
    return pool;
  }

  // Null where the memory does not suffice. To the byte, so that checkers see every overrun; the
  // pool aligns.
  static void* try_allocate(std::int64_t bytes, cudaMemPool_t pool) {
    void* data = nullptr;
    const std::size_t size = bytes == 0 ? 1 : static_cast<std::size_t>(bytes);
    const cudaError_t error = cudaMallocFromPoolAsync(&data, size, pool, nullptr);
    if (error == cudaErrorMemoryAllocation) {
      cudaGetLastError();
      return nullptr;
    }
    ENGINE_CUDA_CHECK(error);
    return data;
  }

  [[noreturn]] static void throw_out_of_memory(std::int64_t bytes, int index) {
    std::size_t free_bytes = 0;
    std::size_t total_bytes = 0;
    cudaMemGetInfo(&free_bytes, &total_bytes);
    throw OutOfMemory(join("cuda:", index, ": ", bytes, " bytes asked for, ", free_bytes, " of ",
                           total_bytes, " free"));
  }

  // False where something in the work cannot be captured.
  static bool capture(cudaStream_t stream, const std::function<void(void*)>& enqueue,
                      cudaGraph_t* graph) {
    if (cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal) != cudaSuccess) {
      return false;
    }
    try {
      enqueue(stream);
    } catch (const CudaError&) {
      cudaStreamEndCapture(stream, graph);
      return false;
    } catch (...) {
      cudaStreamEndCapture(stream, graph);
      throw;
    }
    return cudaStreamEndCapture(stream, graph) == cudaSuccess;
  }

  cuda::StreamOrder order_;
  std::mutex mutex_;
  std::map<int, cudaMemPool_t> pools_;  // they live as long as the process
};

CudaBackend& cuda_backend_itself() {
  // Never destroyed: static objects may free memory when the process ends.
  static CudaBackend* const backend = new CudaBackend;
  return *backend;
}

}  // namespace

Backend* cuda_backend() {
  return &cuda_backend_itself();
}

int cuda_device_count() {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess) {
    cudaGetLastError();
    return 0;
  }
  return count;
}

Gpu gpu_of(const Device& device) {
  ENGINE_CHECK(device.is_cuda(), device, " is no GPU");
  const auto attribute = [&](cudaDeviceAttr which) {
    int value = 0;
    ENGINE_CUDA_CHECK(cudaDeviceGetAttribute(&value, which, device.index()));
    return value;
  };
  return {.capability =
              cuda::code_for(attribute(cudaDevAttrComputeCapabilityMajor),
                             attribute(cudaDevAttrComputeCapabilityMinor), cuda::built_targets()),
          .multiprocessors = attribute(cudaDevAttrMultiProcessorCount),
          .shared_kib = attribute(cudaDevAttrMaxSharedMemoryPerMultiprocessor) / 1024};
}

GpuMemory gpu_memory_of(const Device& device) {
  ENGINE_CHECK(device.is_cuda(), device, " is no GPU");
  return cuda_backend_itself().memory(device.index());
}

std::string cuda_problem() {
  int count = 0;
  cudaError_t error = cudaGetDeviceCount(&count);
  cudaGetLastError();
  if (error == cudaSuccess && count == 0) error = cudaErrorNoDevice;
  return error == cudaSuccess ? "" : cuda::explain(error);
}

std::string cuda_build_string() {
  return join("CUDA ", CUDART_VERSION / 1000, '.', CUDART_VERSION % 1000 / 10, ", for ",
              cuda::built_targets());
}

}  // namespace engine
