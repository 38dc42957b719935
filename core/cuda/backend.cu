// The CUDA side of core/backend.h. Memory comes from the device's own stream-ordered pool, which is
// told to keep what is freed (CUDA C++ Programming Guide, "Stream Ordered Memory Allocator").
#include <cstdint>

#include <cuda_runtime.h>

#include "engine/core/backend.h"
#include "engine/core/cuda/device_guard.h"
#include "engine/core/cuda/handles.h"
#include "engine/core/gpu.h"
#include "engine/core/memory_plan.h"

namespace engine {

namespace {

using cuda::DeviceGuard;

cudaStream_t stream_of(void* handle) {
  return static_cast<cudaStream_t>(handle);
}

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
    keep_freed_memory(index);
    void* data = nullptr;
    const cudaError_t error =
        cudaMallocAsync(&data, static_cast<std::size_t>(aligned(bytes == 0 ? 1 : bytes)), nullptr);
    if (error == cudaErrorMemoryAllocation) {
      cudaGetLastError();
      std::size_t free_bytes = 0;
      std::size_t total_bytes = 0;
      cudaMemGetInfo(&free_bytes, &total_bytes);
      throw OutOfMemory(join("cuda:", index, ": ", bytes, " bytes asked for, ", free_bytes, " of ",
                             total_bytes, " free"));
    }
    ENGINE_CUDA_CHECK(error);
    // The pool hands the memory out in the default stream's order; now any stream may use it.
    ENGINE_CUDA_CHECK(cudaStreamSynchronize(nullptr));
    return data;
  }

  void release(void* data, int index) noexcept override {
    int previous = 0;
    cudaGetDevice(&previous);
    cudaSetDevice(index);
    cudaFreeAsync(data, nullptr);
    cudaSetDevice(previous);
  }

  void copy(void* to, const void* from, std::int64_t bytes, int index, void* stream) override {
    if (bytes == 0) return;
    const DeviceGuard guard(index);
    ENGINE_CUDA_CHECK(cudaMemcpyAsync(to, from, static_cast<std::size_t>(bytes), cudaMemcpyDefault,
                                      stream_of(stream)));
  }

  void fill_zero(void* data, std::int64_t bytes, int index, void* stream) override {
    if (bytes == 0) return;
    const DeviceGuard guard(index);
    ENGINE_CUDA_CHECK(cudaMemsetAsync(data, 0, static_cast<std::size_t>(bytes), stream_of(stream)));
  }

  void synchronize(int index, void* stream) override {
    const DeviceGuard guard(index);
    ENGINE_CUDA_CHECK(cudaStreamSynchronize(stream_of(stream)));
  }

  std::unique_ptr<Recording> record(int index, const std::function<void(void*)>& enqueue) override {
    const DeviceGuard guard(index);
    // The default stream cannot be captured; this one never runs anything.
    cuda::UniqueStream stream;
    ENGINE_CUDA_CHECK(cudaStreamCreateWithFlags(stream.out(), cudaStreamNonBlocking));
    ENGINE_CUDA_CHECK(cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeThreadLocal));
    cuda::UniqueGraph graph;
    try {
      enqueue(stream.get());
    } catch (const CudaError&) {
      cudaStreamEndCapture(stream.get(), graph.out());
      cudaGetLastError();
      return nullptr;  // something in it cannot be captured
    }
    if (cudaStreamEndCapture(stream.get(), graph.out()) != cudaSuccess) {
      cudaGetLastError();
      return nullptr;
    }
    cuda::UniqueGraphExec exec;
    ENGINE_CUDA_CHECK(cudaGraphInstantiate(exec.out(), graph.get(), 0));
    return std::make_unique<GraphRecording>(index, std::move(exec));
  }

  void check_usable(int index) override {
    cudaDeviceProp properties = {};
    ENGINE_CUDA_CHECK(cudaGetDeviceProperties(&properties, index));
    ENGINE_CHECK(properties.major >= 8, "device cuda:", index, ": built for ", ENGINE_CUDA_TARGETS,
                 "; this GPU (", properties.name, ") is ", properties.major, '.', properties.minor);
  }

  std::string describe(int index) override {
    cudaDeviceProp properties = {};
    ENGINE_CUDA_CHECK(cudaGetDeviceProperties(&properties, index));
    return join(properties.name, ", compute capability ", properties.major, '.', properties.minor,
                ", ", properties.totalGlobalMem >> 20, " MiB");
  }

 private:
  // Setting it again is cheap and needs no memory of which devices were seen.
  static void keep_freed_memory(int index) {
    cudaMemPool_t pool = nullptr;
    ENGINE_CUDA_CHECK(cudaDeviceGetDefaultMemPool(&pool, index));
    std::uint64_t everything = UINT64_MAX;
    ENGINE_CUDA_CHECK(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &everything));
  }
};

}  // namespace

Backend* cuda_backend() {
  // Its destructor does nothing, so it may be gone or not when CUDA shuts down.
  static CudaBackend backend;
  return &backend;
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
  return {.capability = 10 * attribute(cudaDevAttrComputeCapabilityMajor) +
                        attribute(cudaDevAttrComputeCapabilityMinor),
          .multiprocessors = attribute(cudaDevAttrMultiProcessorCount)};
}

}  // namespace engine
