#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>

#include <cuda.h>

#include "device_heap.h"
#include "runtime_state.h"
#include "shadow.h"
#include "simt/launch.h"

// The part of the CUDA runtime that the engine uses: memory and launches.
namespace engine::simt {
namespace {

std::map<std::pair<const void*, int>, int> dynamic_shared_limits;  // of a kernel and a device

cudaError_t check_range(const void* p, std::size_t bytes, const char* what) {
  if (!in_device_heap(p)) return cudaSuccess;
  Allocation allocation;
  const char* const start = static_cast<const char*>(p);
  if (find_allocation(p, allocation) && allocation.live && start >= allocation.start &&
      start + bytes <= allocation.start + allocation.bytes) {
    return cudaSuccess;
  }
  report("out-of-bounds", "%s of %zu bytes leaves its allocation", what, bytes);
  return cudaErrorInvalidValue;
}

cudaError_t copy_now(void* to, const void* from, std::size_t bytes) {
  if (cudaError_t error = check_range(to, bytes, "copy to device memory")) return error;
  if (cudaError_t error = check_range(from, bytes, "copy from device memory")) return error;
  std::memmove(to, from, bytes);
  if (in_device_heap(to)) mark_initialised(to, bytes);
  return cudaSuccess;
}

bool is_valid(const LaunchInfo& info) {
  const dim3 &grid = info.grid, &block = info.block;
  const std::uint64_t threads = std::uint64_t{block.x} * block.y * block.z;
  return threads > 0 && threads <= 1024 && block.z <= 64 && grid.x > 0 && grid.y > 0 &&
         grid.z > 0 && grid.x <= 0x7fffffff && grid.y <= 65535 && grid.z <= 65535 &&
         info.cluster.y == 1 && info.cluster.z == 1 && info.cluster.x >= 1 && info.cluster.x <= 8 &&
         grid.x % info.cluster.x == 0;
}

cudaError_t allocate(void** p, std::size_t bytes, int device) {
  if (sticky_error() != cudaSuccess) return returned(sticky_error());
  if (const cudaError_t error = refuse_while_capturing("an allocation")) return error;
  runtime_counters.allocations++;
  *p = bytes && live_device_bytes() + bytes <= machine().memory_bytes ? heap_allocate(bytes, device)
                                                                      : nullptr;
  return *p || !bytes ? cudaSuccess : returned(cudaErrorMemoryAllocation);
}

}  // namespace

cudaError_t enqueue_launch(LaunchInfo info, cudaStream_t stream, std::shared_ptr<void> arguments) {
  info.name = kernel_name(info.function);
  if (const cudaError_t error = planned_failure("cudaLaunchKernelEx")) return error;
  if (!is_valid(info)) {
    report("launch",
           "%s: invalid configuration grid (%u,%u,%u) block (%u,%u,%u) cluster (%u,%u,%u)",
           info.name, info.grid.x, info.grid.y, info.grid.z, info.block.x, info.block.y,
           info.block.z, info.cluster.x, info.cluster.y, info.cluster.z);
    return returned(cudaErrorInvalidConfiguration);
  }
  if (const cudaError_t error =
          check_device(device_of(stream), current_device(), "the current device", "the stream")) {
    return error;
  }
  const auto found = dynamic_shared_limits.find({info.function, used_device()});
  const int limit = found == dynamic_shared_limits.end() ? kDefaultDynamicShared : found->second;
  if (info.shared_bytes > static_cast<std::size_t>(limit)) {
    report("launch", "%s: %zu bytes of dynamic shared memory, the limit of this kernel is %d",
           info.name, info.shared_bytes, limit);
    return returned(cudaErrorInvalidValue);
  }
  return enqueue(stream, [info, device = current_device(), arguments = std::move(arguments)] {
    if (machine().gpus > 1) close_memory_of_others(device);
    const bool is_done = run_launch(info);
    if (machine().gpus > 1) open_all_memory();
    return is_done ? cudaSuccess : cudaErrorLaunchFailure;
  });
}

cudaError_t copy_to_symbol(void* symbol, const void* source, std::size_t bytes,
                           cudaStream_t stream) {
  const char* const from = static_cast<const char*>(source);
  return enqueue(stream, [symbol, copy = std::vector<char>(from, from + bytes)] {
    std::memcpy(symbol, copy.data(), copy.size());
    return cudaSuccess;
  });
}

}  // namespace engine::simt

using namespace engine::simt;

extern "C" {

// --- memory --------------------------------------------------------------------------------------

cudaError_t cudaMalloc(void** p, size_t bytes) {
  if (const cudaError_t error = planned_failure("cudaMalloc")) return error;
  return allocate(p, bytes, used_device());
}
cudaError_t cudaFree(void* p) {
  if (const cudaError_t error = refuse_while_capturing("cudaFree")) return error;
  drain_all_streams();
  if (!p) return cudaSuccess;
  if (!heap_free(p)) {
    report("free", "cudaFree of a pointer that is not a live allocation");
    return returned(cudaErrorInvalidValue);
  }
  return returned(sticky_error());
}
cudaError_t cudaMallocAsync(void** p, size_t bytes, cudaStream_t stream) {
  if (const cudaError_t error = planned_failure("cudaMallocAsync")) return error;
  return allocate(p, bytes, device_of(stream));
}
cudaError_t cudaMallocFromPoolAsync(void** p, size_t bytes, cudaMemPool_t pool,
                                    cudaStream_t stream) {
  if (const cudaError_t error = planned_failure("cudaMallocFromPoolAsync")) return error;
  if (pool == nullptr) return returned(cudaErrorInvalidValue);
  const int device = static_cast<int>(reinterpret_cast<std::intptr_t>(pool)) - 1;
  if (const cudaError_t error =
          check_device(device, device_of(stream), "the stream", "the memory pool")) {
    return error;
  }
  return allocate(p, bytes, device);
}
cudaError_t cudaFreeAsync(void* p, cudaStream_t stream) {
  if (const cudaError_t error = check_memory_device(device_of(stream), p, "the freeing stream")) {
    return error;
  }
  return enqueue(stream, [p] {
    if (!p || heap_free(p)) return cudaSuccess;
    report("free", "cudaFreeAsync of a pointer that is not a live allocation");
    return cudaErrorInvalidValue;
  });
}
cudaError_t cudaHostAlloc(void** p, size_t bytes, unsigned) {
  *p = std::malloc(bytes);
  return *p ? cudaSuccess : returned(cudaErrorMemoryAllocation);
}
cudaError_t cudaMallocHost(void** p, size_t bytes) {
  return cudaHostAlloc(p, bytes, 0);
}
cudaError_t cudaFreeHost(void* p) {
  drain_all_streams();
  std::free(p);
  return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  if (kind == cudaMemcpyHostToDevice && in_device_heap(from)) {
    report("memcpy", "HostToDevice copy from device memory");
    return returned(cudaErrorInvalidValue);
  }
  if (kind == cudaMemcpyDeviceToHost && in_device_heap(to)) {
    report("memcpy", "DeviceToHost copy to device memory");
    return returned(cudaErrorInvalidValue);
  }
  return enqueue(stream, [=] { return copy_now(to, from, bytes); });
}
cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  runtime_counters.synchronisations++;
  const cudaError_t error = cudaMemcpyAsync(to, from, bytes, kind, nullptr);
  return error != cudaSuccess ? error : returned(sticky_error());
}
cudaError_t cudaMemsetAsync(void* p, int value, size_t bytes, cudaStream_t stream) {
  if (const cudaError_t error = check_memory_device(device_of(stream), p, "the filling stream")) {
    return error;
  }
  return enqueue(stream, [=] {
    if (cudaError_t error = check_range(p, bytes, "memset")) return error;
    std::memset(p, value, bytes);
    if (in_device_heap(p)) mark_initialised(p, bytes);
    return cudaSuccess;
  });
}
cudaError_t cudaMemset(void* p, int value, size_t bytes) {
  return cudaMemsetAsync(p, value, bytes, nullptr);
}
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* p) {
  std::memset(attributes, 0, sizeof *attributes);
  const bool on_device = in_device_heap(p);
  attributes->type = on_device ? cudaMemoryTypeDevice : cudaMemoryTypeUnregistered;
  attributes->devicePointer = on_device ? const_cast<void*>(p) : nullptr;
  return cudaSuccess;
}

// --- kernels -------------------------------------------------------------------------------------

cudaError_t cudaFuncSetAttribute(const void* function, cudaFuncAttribute attribute, int value) {
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return cudaSuccess;
  if (value > kMaxDynamicShared) return returned(cudaErrorInvalidValue);
  dynamic_shared_limits[{function, used_device()}] = value;
  return cudaSuccess;
}
cudaError_t cudaFuncGetName(const char** name, const void* function) {
  *name = kernel_name(function);
  return cudaSuccess;
}
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void*, int, size_t) {
  *blocks = 1;
  return cudaSuccess;
}

}  // extern "C"
