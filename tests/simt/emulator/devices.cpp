#include <cstring>
#include <map>

#include <cuda.h>

#include "device_heap.h"
#include "runtime_state.h"

// Several GPUs in one machine: which one is current, whose contexts exist, and what belongs to
// which. A context is a device's number plus one.
namespace engine::simt {
namespace {

// The driver's stack; empty until something makes a context current.
std::vector<int> current;
std::set<int> with_context;

CUcontext context_of(int device) {
  return reinterpret_cast<CUcontext>(static_cast<std::intptr_t>(device + 1));
}
int device_of(CUcontext context) {
  return static_cast<int>(reinterpret_cast<std::intptr_t>(context)) - 1;
}

bool exists(int device) {
  return device >= 0 && device < machine().gpus;
}

cudaError_t check_exists(int device) {
  if (const cudaError_t error = check_driver()) return returned(error);
  return exists(device) ? cudaSuccess : returned(cudaErrorInvalidDevice);
}

CUresult retain(CUcontext* context, CUdevice device) {
  if (!exists(device)) return CUDA_ERROR_INVALID_DEVICE;
  with_context.insert(device);
  *context = context_of(device);
  return CUDA_SUCCESS;
}
CUresult push(CUcontext context) {
  if (!exists(device_of(context))) return CUDA_ERROR_INVALID_CONTEXT;
  with_context.insert(device_of(context));
  current.push_back(device_of(context));
  return CUDA_SUCCESS;
}
CUresult pop(CUcontext* context) {
  if (current.empty()) return CUDA_ERROR_INVALID_CONTEXT;
  *context = context_of(current.back());
  current.pop_back();
  return CUDA_SUCCESS;
}

}  // namespace

int current_device() {
  return current.empty() ? 0 : current.back();
}

int used_device() {
  if (current.empty()) current.push_back(0);
  with_context.insert(current.back());
  return current.back();
}

const std::set<int>& devices_with_context() {
  return with_context;
}

void forget_devices() {
  current.clear();
  with_context.clear();
}

cudaError_t check_device(int wanted, int found, const char* what, const char* owner) {
  if (wanted == found) return cudaSuccess;
  report("device", "%s is on cuda:%d, %s on cuda:%d", what, found, owner, wanted);
  return returned(cudaErrorInvalidResourceHandle);
}

cudaError_t check_memory_device(int wanted, const void* p, const char* what) {
  Allocation allocation;
  if (!find_allocation(p, allocation)) return cudaSuccess;
  return check_device(wanted, allocation.device, "memory", what);
}

}  // namespace engine::simt

using namespace engine::simt;

extern "C" {

cudaError_t cudaGetDevice(int* device) {
  *device = current_device();
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) {
  if (const cudaError_t error = check_exists(device)) return error;
  if (current.empty()) current.push_back(device);
  current.back() = device;
  with_context.insert(device);
  return cudaSuccess;
}
cudaError_t cudaInitDevice(int device, unsigned, unsigned) {
  if (const cudaError_t error = planned_failure("cudaInitDevice")) return error;
  if (const cudaError_t error = check_exists(device)) return error;
  with_context.insert(device);
  return cudaSuccess;
}

cudaError_t cudaGetDriverEntryPointByVersion(const char* symbol, void** function, unsigned,
                                             unsigned long long,
                                             cudaDriverEntryPointQueryResult* status) {
  static const std::map<std::string, void*> known = {
      {"cuTensorMapEncodeTiled", reinterpret_cast<void*>(cuTensorMapEncodeTiled)},
      {"cuDevicePrimaryCtxRetain", reinterpret_cast<void*>(retain)},
      {"cuCtxPushCurrent", reinterpret_cast<void*>(push)},
      {"cuCtxPopCurrent", reinterpret_cast<void*>(pop)},
  };
  const auto found = known.find(symbol);
  *function = found == known.end() ? nullptr : found->second;
  if (status)
    *status = *function ? cudaDriverEntryPointSuccess : cudaDriverEntryPointSymbolNotFound;
  return cudaSuccess;
}

}  // extern "C"
