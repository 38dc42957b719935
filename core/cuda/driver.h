#pragma once

#include <cuda.h>

#include "engine/core/cuda/check.h"

namespace engine::cuda {

// A function of the driver as CUDA 12.0 has it, found by its name: the library does not link with
// the driver. Throws CudaError where the driver has none, and calls throw where they fail.
template <class Function>
class DriverFunction;
template <class... Parameters>
class DriverFunction<CUresult(Parameters...)> {
 public:
  using Pointer = CUresult (*)(Parameters...);

  explicit DriverFunction(const char* name) : name_(name) {
    cudaDriverEntryPointQueryResult status;
    void* found = nullptr;
    ENGINE_CUDA_CHECK(
        cudaGetDriverEntryPointByVersion(name, &found, 12000, cudaEnableDefault, &status));
    if (found == nullptr) throw CudaError(join("cuda: the driver has no ", name));
    function_ = reinterpret_cast<Pointer>(found);
  }

  void operator()(Parameters... arguments) const {
    const CUresult result = function_(arguments...);
    if (result != CUDA_SUCCESS) {
      throw CudaError(join("cuda: ", name_, ": error ", static_cast<int>(result)));
    }
  }
  Pointer get() const { return function_; }

 private:
  const char* name_;
  Pointer function_ = nullptr;
};

}  // namespace engine::cuda
