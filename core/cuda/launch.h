#pragma once

#include <cstddef>
#include <utility>

#include <cuda_runtime.h>

#include "engine/core/cuda/check.h"

namespace engine::cuda {

// How a kernel is started. Every kernel of the library goes through launch(): it checks, names the
// kernel in errors, raises the limit of dynamic shared memory where needed, and is what the
// emulator (tests/simt) replaces.
struct LaunchConfig {
  dim3 grid = dim3(1);
  dim3 block = dim3(256);
  std::size_t shared_bytes = 0;  // dynamic
  dim3 cluster = dim3(1);        // blocks; along x only
};

namespace detail {
[[noreturn]] void throw_launch_error(cudaError_t error, const char* kernel,
                                     const LaunchConfig& config);
// Static shared memory is limited to this; above it a kernel must opt in.
inline constexpr std::size_t kDefaultSharedBytes = 48 * 1024;
}  // namespace detail

// Enqueues kernel(arguments...) on `stream`. `name` goes into errors, with the configuration.
template <class... Parameters, class... Arguments>
void launch(const char* name, void (*kernel)(Parameters...), const LaunchConfig& config,
            cudaStream_t stream, Arguments&&... arguments) {
  if (config.grid.x == 0 || config.grid.y == 0 || config.grid.z == 0) return;  // nothing to do
  cudaError_t error = cudaSuccess;
  if (config.shared_bytes > detail::kDefaultSharedBytes) {
    error = cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                                 cudaFuncAttributeMaxDynamicSharedMemorySize,
                                 static_cast<int>(config.shared_bytes));
  }
  if (error == cudaSuccess) {
    cudaLaunchConfig_t launch_config = {};
    launch_config.gridDim = config.grid;
    launch_config.blockDim = config.block;
    launch_config.dynamicSmemBytes = config.shared_bytes;
    launch_config.stream = stream;
    cudaLaunchAttribute attribute = {};
    if (config.cluster.x > 1) {
      attribute.id = cudaLaunchAttributeClusterDimension;
      attribute.val.clusterDim.x = config.cluster.x;
      attribute.val.clusterDim.y = 1;
      attribute.val.clusterDim.z = 1;
      launch_config.attrs = &attribute;
      launch_config.numAttrs = 1;
    }
    error = cudaLaunchKernelEx(&launch_config, kernel,
                               static_cast<Parameters>(std::forward<Arguments>(arguments))...);
  }
  if (error != cudaSuccess) detail::throw_launch_error(error, name, config);
}

}  // namespace engine::cuda

// Launches a kernel by its name: ENGINE_LAUNCH(relu_kernel, config, stream, x, y, count).
#define ENGINE_LAUNCH(kernel, config, stream, ...) \
  ::engine::cuda::launch(#kernel, kernel, config, stream __VA_OPT__(, ) __VA_ARGS__)

// Dynamic shared memory in a kernel: ENGINE_DYNAMIC_SHARED(float, tile); one spelling for nvcc and
// the emulator.
#ifdef ENGINE_SIMT
#define ENGINE_DYNAMIC_SHARED(Type, name) \
  Type* name = reinterpret_cast<Type*>(::engine::simt::dynamic_shared())
#else
#define ENGINE_DYNAMIC_SHARED(Type, name)                                  \
  extern __shared__ __align__(1024) unsigned char engine_dynamic_shared[]; \
  Type* name = reinterpret_cast<Type*>(engine_dynamic_shared)
#endif
