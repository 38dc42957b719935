#pragma once

#include "engine/kernels/cuda/ptx/target.h"

#ifdef ENGINE_SIMT
#include "simt/ptx/barrier.h"
#else

// Barriers of some threads of a block, and of a cluster of blocks.
namespace engine::ptx {

// Barriers 1 to 15 (0 is __syncthreads); `threads` is a multiple of 32, the same for all who come.
ENGINE_PTX void named_barrier_sync(int barrier, int threads) {
  asm volatile("bar.sync %0, %1;\n" ::"r"(barrier), "r"(threads) : "memory");
}
ENGINE_PTX void named_barrier_arrive(int barrier, int threads) {
  asm volatile("bar.arrive %0, %1;\n" ::"r"(barrier), "r"(threads) : "memory");
}

#ifdef ENGINE_PTX_SM90
// One lane of the warp, always the same; all 32 lanes call it.
ENGINE_PTX bool elect_one() {
  std::uint32_t elected;
  asm volatile("{\n.reg .pred p;\nelect.sync _|p, 0xffffffff;\nselp.u32 %0, 1, 0, p;\n}\n"
               : "=r"(elected));
  return elected != 0;
}

// Registers of each thread of the calling warpgroup: a multiple of 8 in 24..256. Raising waits
// until other warpgroups have lowered theirs.
template <int kRegisters>
ENGINE_PTX void raise_registers() {
  static_assert(kRegisters % 8 == 0 && kRegisters >= 24 && kRegisters <= 256);
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;\n" ::"n"(kRegisters));
}
template <int kRegisters>
ENGINE_PTX void lower_registers() {
  static_assert(kRegisters % 8 == 0 && kRegisters >= 24 && kRegisters <= 256);
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;\n" ::"n"(kRegisters));
}

ENGINE_PTX std::uint32_t cluster_rank() {
  std::uint32_t rank;
  asm volatile("mov.u32 %0, %%cluster_ctarank;\n" : "=r"(rank));
  return rank;
}

// The same place in the shared memory of another block of the cluster.
ENGINE_PTX std::uint32_t address_in_block(std::uint32_t address, std::uint32_t rank) {
  std::uint32_t mapped;
  asm volatile("mapa.shared::cluster.u32 %0, %1, %2;\n" : "=r"(mapped) : "r"(address), "r"(rank));
  return mapped;
}

ENGINE_PTX void cluster_arrive() {
  asm volatile("barrier.cluster.arrive.release.aligned;\n" ::: "memory");
}
ENGINE_PTX void cluster_wait() {
  asm volatile("barrier.cluster.wait.acquire.aligned;\n" ::: "memory");
}
#endif

}  // namespace engine::ptx
#endif
