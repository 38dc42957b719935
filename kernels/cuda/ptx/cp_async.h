#pragma once

#include "engine/kernels/cuda/ptx/target.h"

#ifdef ENGINE_SIMT
#include "simt/ptx/cp_async.h"
#else

// Copies from global to shared memory that go on while the thread computes (8.0).
namespace engine::ptx {

// 4, 8 or 16 bytes; both addresses are multiples of that. 16 bytes bypass the L1 cache.
template <int kBytes>
ENGINE_PTX void cp_async(std::uint32_t destination, const void* source) {
  static_assert(kBytes == 4 || kBytes == 8 || kBytes == 16);
  if constexpr (kBytes == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;\n" ::"r"(destination), "l"(source)
                 : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2;\n" ::"r"(destination), "l"(source),
                 "n"(kBytes)
                 : "memory");
  }
}

// Zeros where `exists` is false; the source is not read then, but has to be a valid address.
template <int kBytes>
ENGINE_PTX void cp_async_or_zero(std::uint32_t destination, const void* source, bool exists) {
  static_assert(kBytes == 4 || kBytes == 8 || kBytes == 16);
  const int bytes = exists ? kBytes : 0;
  if constexpr (kBytes == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(destination), "l"(source),
                 "r"(bytes)
                 : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;\n" ::"r"(destination), "l"(source),
                 "n"(kBytes), "r"(bytes)
                 : "memory");
  }
}

ENGINE_PTX void cp_async_commit() {
  asm volatile("cp.async.commit_group;\n" ::: "memory");
}

// Until at most the latest kPending groups of this thread are in flight. Other threads see the data
// after a barrier.
template <int kPending>
ENGINE_PTX void cp_async_wait() {
  asm volatile("cp.async.wait_group %0;\n" ::"n"(kPending) : "memory");
}

// Until all copies of this thread are done, those without a group too.
ENGINE_PTX void cp_async_wait_all() {
  asm volatile("cp.async.wait_all;\n" ::: "memory");
}

}  // namespace engine::ptx
#endif
