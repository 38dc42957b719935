#pragma once

#include <cstdint>

#include <cuda_runtime.h>

// Inline PTX lives in this folder only. Every wrapper has an emulated twin (tests/simt), which the
// macro ENGINE_SIMT selects; tests/simt/conformance compares the two on a GPU.
#ifndef ENGINE_SIMT
#define ENGINE_PTX __device__ __forceinline__

// In code for the host, and in that for 9.0a: neither 9.0 without the a nor anything later has
// wgmma and setmaxnreg as that has them.
#if !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define ENGINE_PTX_SM90 1
#endif

namespace engine::ptx {

// Address in the shared window, as the instructions of this folder take it.
ENGINE_PTX std::uint32_t shared_address(const void* p) {
  return static_cast<std::uint32_t>(__cvta_generic_to_shared(p));
}

}  // namespace engine::ptx
#else
#include "simt/ptx/target.h"
#endif
