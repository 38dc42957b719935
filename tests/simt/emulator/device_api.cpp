#include <algorithm>
#include <cstdio>
#include <cstring>

#include "device_heap.h"
#include "runtime_state.h"

// The part of the CUDA runtime that tells about the machine and its errors, and what tests have
// planned of both.
namespace engine::simt {
namespace {

constexpr int kMultiprocessors = 4;

struct PlannedFailure {
  std::string function;
  cudaError_t error;
  int calls, after;
};
std::vector<PlannedFailure> planned_failures;

struct ErrorText {
  cudaError_t error;
  const char *name, *text;
};
#define ENGINE_SIMT_ERROR(name, text) \
  { name, #name, text }
constexpr ErrorText kErrors[] = {
    ENGINE_SIMT_ERROR(cudaSuccess, "no error"),
    ENGINE_SIMT_ERROR(cudaErrorInvalidValue, "invalid argument"),
    ENGINE_SIMT_ERROR(cudaErrorMemoryAllocation, "out of memory"),
    ENGINE_SIMT_ERROR(cudaErrorInvalidConfiguration, "invalid configuration argument"),
    ENGINE_SIMT_ERROR(cudaErrorInsufficientDriver, "driver version is insufficient"),
    ENGINE_SIMT_ERROR(cudaErrorDevicesUnavailable, "devices are busy or unavailable"),
    ENGINE_SIMT_ERROR(cudaErrorNoDevice, "no CUDA-capable device is detected"),
    ENGINE_SIMT_ERROR(cudaErrorInvalidDevice, "invalid device ordinal"),
    ENGINE_SIMT_ERROR(cudaErrorInvalidResourceHandle, "invalid resource handle"),
    ENGINE_SIMT_ERROR(cudaErrorNoKernelImageForDevice, "no kernel image is available"),
    ENGINE_SIMT_ERROR(cudaErrorUnsupportedPtxVersion, "the PTX is newer than the driver"),
    ENGINE_SIMT_ERROR(cudaErrorJitCompilerNotFound, "PTX compiler library not found"),
    ENGINE_SIMT_ERROR(cudaErrorLaunchFailure, "unspecified launch failure"),
    ENGINE_SIMT_ERROR(cudaErrorNotSupported, "operation not supported"),
    ENGINE_SIMT_ERROR(cudaErrorStreamCaptureUnsupported, "not permitted while capturing"),
    ENGINE_SIMT_ERROR(cudaErrorStreamCaptureInvalidated, "the capture became invalid"),
    ENGINE_SIMT_ERROR(cudaErrorStreamCaptureImplicit, "would depend on a captured stream"),
    ENGINE_SIMT_ERROR(cudaErrorStreamCaptureUnjoined, "a forked stream was not joined"),
};
#undef ENGINE_SIMT_ERROR

const ErrorText* find_text(cudaError_t error) {
  for (const ErrorText& known : kErrors) {
    if (known.error == error) return &known;
  }
  return nullptr;
}

int driver_version() {
  return machine().driver_version < 0 ? CUDART_VERSION : machine().driver_version;
}

}  // namespace

// A driver runs what toolkits of its major version made.
cudaError_t check_driver() {
  if (driver_version() / 1000 < CUDART_VERSION / 1000) return cudaErrorInsufficientDriver;
  return machine().gpus > 0 ? cudaSuccess : cudaErrorNoDevice;
}

Machine& machine() {
  static Machine only;
  return only;
}

void fail_calls(std::string_view function, int error, int calls, int after) {
  planned_failures.push_back(
      {std::string(function), static_cast<cudaError_t>(error), calls, after});
}

cudaError_t planned_failure(const char* function) {
  for (PlannedFailure& planned : planned_failures) {
    if (planned.function != function || planned.calls == 0) continue;
    if (planned.after-- > 0) continue;
    planned.calls--;
    return returned(planned.error);
  }
  return cudaSuccess;
}

void forget_planned_failures() {
  planned_failures.clear();
}

}  // namespace engine::simt

using namespace engine::simt;

extern "C" {

// --- errors --------------------------------------------------------------------------------------

cudaError_t cudaGetLastError() {
  return last_error(true);
}
cudaError_t cudaPeekAtLastError() {
  return last_error(false);
}
const char* cudaGetErrorName(cudaError_t error) {
  const ErrorText* const known = find_text(error);
  return known ? known->name : "unrecognized error code";
}
const char* cudaGetErrorString(cudaError_t error) {
  // The reason is in the reports.
  if (error == cudaErrorLaunchFailure && !recorded_reports.empty()) {
    return recorded_reports.front().text.c_str();
  }
  const ErrorText* const known = find_text(error);
  return known ? known->text : "unrecognized error code";
}

// --- the device ----------------------------------------------------------------------------------

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 0;
  if (const cudaError_t error = planned_failure("cudaGetDeviceCount")) return error;
  if (const cudaError_t error = check_driver()) return returned(error);
  *count = machine().gpus;
  return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int* version) {
  *version = driver_version();
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(size_t* free_bytes, size_t* total) {
  *total = machine().memory_bytes;
  *free_bytes = *total - std::min(*total, live_device_bytes());
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (const cudaError_t error = check_driver()) return returned(error);
  if (device < 0 || device >= machine().gpus) return returned(cudaErrorInvalidDevice);
  std::memset(properties, 0, sizeof *properties);
  std::snprintf(properties->name, sizeof properties->name, "SIMT emulator (%d.%d)", machine().major,
                machine().minor);
  properties->major = machine().major;
  properties->minor = machine().minor;
  properties->multiProcessorCount = kMultiprocessors;
  properties->warpSize = 32;
  properties->maxThreadsPerBlock = 1024;
  properties->maxThreadsPerMultiProcessor = 2048;
  properties->regsPerBlock = 65536;
  properties->sharedMemPerBlock = kDefaultDynamicShared;
  properties->sharedMemPerBlockOptin = kMaxDynamicShared;
  properties->sharedMemPerMultiprocessor = kMultiprocessorShared;
  properties->totalGlobalMem = machine().memory_bytes;
  properties->l2CacheSize = 50 << 20;
  properties->cooperativeLaunch = 1;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  switch (attribute) {
    case cudaDevAttrMultiProcessorCount:
      *value = kMultiprocessors;
      break;
    case cudaDevAttrComputeCapabilityMajor:
      *value = machine().major;
      break;
    case cudaDevAttrComputeCapabilityMinor:
      *value = machine().minor;
      break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = kMaxDynamicShared;
      break;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
      *value = kMultiprocessorShared;
      break;
    case cudaDevAttrMaxThreadsPerBlock:
      *value = 1024;
      break;
    default:
      *value = 0;
  }
  return cudaSuccess;
}

// Every allocation is made on its own, so a pool keeps nothing of what was freed; its handle is its
// device's number plus one, and what is on the device counts as its own.
cudaError_t cudaMemPoolCreate(cudaMemPool_t* pool, const cudaMemPoolProps* properties) {
  if (const cudaError_t error = planned_failure("cudaMemPoolCreate")) return error;
  *pool = reinterpret_cast<cudaMemPool_t>(static_cast<std::intptr_t>(properties->location.id + 1));
  return cudaSuccess;
}
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void*) {
  return cudaSuccess;
}
cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t pool, cudaMemPoolAttr which, void* value) {
  const DeviceBytes bytes =
      device_bytes(static_cast<int>(reinterpret_cast<std::intptr_t>(pool)) - 1);
  switch (which) {
    case cudaMemPoolAttrReservedMemCurrent:
    case cudaMemPoolAttrUsedMemCurrent:
      *static_cast<std::uint64_t*>(value) = bytes.live;
      return cudaSuccess;
    case cudaMemPoolAttrReservedMemHigh:
    case cudaMemPoolAttrUsedMemHigh:
      *static_cast<std::uint64_t*>(value) = bytes.peak;
      return cudaSuccess;
    default:
      return returned(cudaErrorInvalidValue);
  }
}
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, size_t) {
  return cudaSuccess;
}

}  // extern "C"
