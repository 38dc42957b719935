#pragma once

#include "engine/kernels/cuda/ptx/barrier.h"

#ifdef ENGINE_SIMT
#include "simt/ptx/mbarrier.h"
#elif defined(ENGINE_PTX_SM90)

// Barriers in shared memory (8 bytes, aligned) that count arrivals and bytes (9.0). A phase is over
// when both counts are reached; its parity is 0 for the first phase, then 1, 0, ...
namespace engine::ptx {

ENGINE_PTX void mbarrier_init(std::uint32_t barrier, std::uint32_t arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;\n" ::"r"(barrier), "r"(arrivals)
               : "memory");
}
ENGINE_PTX void mbarrier_invalidate(std::uint32_t barrier) {
  asm volatile("mbarrier.inval.shared::cta.b64 [%0];\n" ::"r"(barrier) : "memory");
}

ENGINE_PTX void mbarrier_arrive(std::uint32_t barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];\n" ::"r"(barrier) : "memory");
}
// At the barrier at the same place in the shared memory of block `rank` of the cluster.
ENGINE_PTX void mbarrier_arrive_in_block(std::uint32_t barrier, std::uint32_t rank) {
  asm volatile("mbarrier.arrive.release.cluster.shared::cluster.b64 _, [%0];\n" ::"r"(
                   address_in_block(barrier, rank))
               : "memory");
}
// Arrives, and lets the phase wait for `bytes` of bulk copies.
ENGINE_PTX void mbarrier_arrive_expect_bytes(std::uint32_t barrier, std::uint32_t bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;\n" ::"r"(barrier), "r"(bytes)
               : "memory");
}
ENGINE_PTX void mbarrier_expect_bytes(std::uint32_t barrier, std::uint32_t bytes) {
  asm volatile("mbarrier.expect_tx.relaxed.cta.shared::cta.b64 [%0], %1;\n" ::"r"(barrier),
               "r"(bytes)
               : "memory");
}

// Whether the phase of that parity is over; waits for a while, and may be wrong with false.
ENGINE_PTX bool mbarrier_try_wait(std::uint32_t barrier, std::uint32_t parity) {
  std::uint32_t over;
  asm volatile(
      "{\n.reg .pred p;\n"
      "mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\n"
      "selp.u32 %0, 1, 0, p;\n}\n"
      : "=r"(over)
      : "r"(barrier), "r"(parity)
      : "memory");
  return over != 0;
}
ENGINE_PTX void mbarrier_wait(std::uint32_t barrier, std::uint32_t parity) {
  while (!mbarrier_try_wait(barrier, parity)) {
  }
}

// Initialised barriers become visible to the cluster and to bulk copies.
ENGINE_PTX void fence_mbarrier_init() {
  asm volatile("fence.mbarrier_init.release.cluster;\n" ::: "memory");
}
// This thread's earlier stores to shared memory become visible to bulk copies and wgmma.
ENGINE_PTX void fence_proxy_async() {
  asm volatile("fence.proxy.async.shared::cta;\n" ::: "memory");
}

}  // namespace engine::ptx
#endif
