#include "engine/core/cuda/check.h"
#include "engine/core/cuda/launch.h"

namespace engine::cuda {

namespace {

// "12.4" of 12040.
std::string version_text(int version) {
  return join(version / 1000, '.', version % 1000 / 10);
}

std::string driver_too_old() {
  int driver = 0;
  cudaDriverGetVersion(&driver);
  if (driver == 0) return "no NVIDIA driver is loaded";
  return join("the driver is older than the toolkit: it runs CUDA up to ", version_text(driver),
              ", this library was built with CUDA ", version_text(CUDART_VERSION),
              "; update the driver");
}

// In words; "" for errors that people can do nothing about.
std::string words_for(cudaError_t error) {
  switch (error) {
    case cudaErrorInsufficientDriver:
      return driver_too_old();
    case cudaErrorNoDevice:
      return "no CUDA device is visible: see nvidia-smi and CUDA_VISIBLE_DEVICES";
    case cudaErrorDevicesUnavailable:
      return "the GPU is busy: another process holds it exclusively, or it admits none "
             "(nvidia-smi tells)";
    case cudaErrorNoKernelImageForDevice:
      return "this library has no code for this GPU: build it for its compute capability "
             "(ENGINE_CUDA_ARCHITECTURES)";
    case cudaErrorUnsupportedPtxVersion:
      return "the driver cannot compile this build's PTX: update it, or build for this GPU "
             "(ENGINE_CUDA_ARCHITECTURES)";
    case cudaErrorJitCompilerNotFound:
      return "the driver's PTX compiler (libnvidia-ptxjitcompiler) is missing: install it, or "
             "build for this GPU (ENGINE_CUDA_ARCHITECTURES)";
    case cudaErrorMemoryAllocation:
      return "out of memory on the GPU";
    default:
      return "";
  }
}

std::string text_of(dim3 extent) {
  return join('(', extent.x, ", ", extent.y, ", ", extent.z, ')');
}

}  // namespace

std::string explain(cudaError_t error) {
  const std::string words = words_for(error);
  return join(words, words.empty() ? "" : " (", cudaGetErrorName(error), ": ",
              cudaGetErrorString(error), words.empty() ? "" : ")");
}

void throw_cuda_error(cudaError_t error, const std::string& what, const char* file, int line) {
  cudaGetLastError();  // leaves no error behind for the next call
  throw CudaError(
      join("cuda: ", explain(error), "\n  required: ", what, "\n  at ", file, ':', line));
}

namespace detail {

void throw_launch_error(cudaError_t error, const char* kernel, const LaunchConfig& config) {
  cudaGetLastError();
  throw CudaError(join("cuda: ", kernel, " could not be launched: ", explain(error), "\n  grid ",
                       text_of(config.grid), ", block ", text_of(config.block), ", cluster ",
                       config.cluster.x, ", ", config.shared_bytes, " bytes of shared memory"));
}

}  // namespace detail
}  // namespace engine::cuda
