#pragma once

#include "engine/kernels/cuda/ptx/target.h"

#ifdef ENGINE_SIMT
#include "simt/ptx/shared.h"
#else

namespace engine::ptx {

// Four bytes of shared memory, at a multiple of four.
ENGINE_PTX std::uint32_t load_shared(std::uint32_t address) {
  std::uint32_t word;
  asm volatile("ld.shared.b32 %0, [%1];\n" : "=r"(word) : "r"(address) : "memory");
  return word;
}

}  // namespace engine::ptx
#endif
