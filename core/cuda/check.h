#pragma once

#include <string>

#include <cuda_runtime.h>

#include "engine/core/errors.h"

namespace engine::cuda {

// What an error means to the person at this machine, then CUDA's own name and text of it.
std::string explain(cudaError_t error);

// Throws CudaError: `what` (the call or kernel in the user's words), CUDA's own text, file:line.
[[noreturn]] void throw_cuda_error(cudaError_t error, const std::string& what, const char* file,
                                   int line);

}  // namespace engine::cuda

// Runs a CUDA runtime call and throws CudaError when it fails.
#define ENGINE_CUDA_CHECK(call)                                                       \
  do {                                                                                \
    const cudaError_t engine_cuda_error = (call);                                     \
    if (engine_cuda_error != cudaSuccess) {                                           \
      ::engine::cuda::throw_cuda_error(engine_cuda_error, #call, __FILE__, __LINE__); \
    }                                                                                 \
  } while (false)
