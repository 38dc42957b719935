#pragma once

#include "engine/kernels/cuda/ptx/target.h"

#ifdef ENGINE_SIMT
#include "simt/ptx/atomic.h"
#else

// Order between blocks of a grid: what a thread did before a release at an address is visible to a
// thread that read the released value with acquire. Polling loops contain __nanosleep().
namespace engine::ptx {

ENGINE_PTX std::uint32_t load_acquire(const std::uint32_t* p) {
  std::uint32_t v;
  asm volatile("ld.acquire.gpu.global.u32 %0, [%1];\n" : "=r"(v) : "l"(p) : "memory");
  return v;
}
ENGINE_PTX void store_release(std::uint32_t* p, std::uint32_t v) {
  asm volatile("st.release.gpu.global.u32 [%0], %1;\n" ::"l"(p), "r"(v) : "memory");
}
// Returns the value before.
ENGINE_PTX std::uint32_t add_release(std::uint32_t* p, std::uint32_t v) {
  std::uint32_t before;
  asm volatile("atom.release.gpu.global.add.u32 %0, [%1], %2;\n"
               : "=r"(before)
               : "l"(p), "r"(v)
               : "memory");
  return before;
}
ENGINE_PTX std::uint32_t add_acquire_release(std::uint32_t* p, std::uint32_t v) {
  std::uint32_t before;
  asm volatile("atom.acq_rel.gpu.global.add.u32 %0, [%1], %2;\n"
               : "=r"(before)
               : "l"(p), "r"(v)
               : "memory");
  return before;
}

}  // namespace engine::ptx
#endif
