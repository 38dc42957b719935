#pragma once

#include <cstdint>

#include <cuda_runtime.h>

// Inline PTX lives in this folder only. Every wrapper has an emulated twin (tests/simt), which the
// macro ENGINE_SIMT selects; tests/simt/conformance compares the two on a GPU.
#ifndef ENGINE_SIMT
#define ENGINE_PTX __device__ __forceinline__

// Instructions of compute capability 9.0 exist in code for 9.0a only.
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 900
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
