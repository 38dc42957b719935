#include "engine/core/cuda/check.h"
#include "engine/core/cuda/launch.h"

namespace engine::cuda {

namespace {

// What to do about the errors that people meet.
const char* advice(cudaError_t error) {
  switch (error) {
    case cudaErrorInsufficientDriver:
      return "\n  the driver is older than the CUDA runtime of this build: update the driver";
    case cudaErrorNoDevice:
      return "\n  no CUDA device is visible: check nvidia-smi and CUDA_VISIBLE_DEVICES";
    case cudaErrorDevicesUnavailable:
      return "\n  the device is busy: another process holds it exclusively";
    case cudaErrorNoKernelImageForDevice:
      return "\n  this build has no machine code for this GPU: build for its compute capability";
    default:
      return "";
  }
}

std::string text_of(dim3 extent) {
  return join('(', extent.x, ", ", extent.y, ", ", extent.z, ')');
}

}  // namespace

void throw_cuda_error(cudaError_t error, const std::string& what, const char* file, int line) {
  cudaGetLastError();  // leaves no error behind for the next call
  throw CudaError(join("cuda: ", cudaGetErrorName(error), " (", cudaGetErrorString(error), ')',
                       advice(error), "\n  required: ", what, "\n  at ", file, ':', line));
}

namespace detail {

void throw_launch_error(cudaError_t error, const char* kernel, const LaunchConfig& config) {
  cudaGetLastError();
  throw CudaError(join("cuda: ", kernel, " could not be launched: ", cudaGetErrorName(error), " (",
                       cudaGetErrorString(error), ')', advice(error), "\n  grid ",
                       text_of(config.grid), ", block ", text_of(config.block), ", cluster ",
                       config.cluster.x, ", ", config.shared_bytes, " bytes of shared memory"));
}

}  // namespace detail
}  // namespace engine::cuda
