#pragma once

#include "simt/ptx/target.h"

namespace engine::ptx {

ENGINE_PTX void named_barrier_sync(int barrier, int threads, ENGINE_SIMT_HERE) {
  simt::barrier_sync(static_cast<std::uint32_t>(barrier), static_cast<std::uint32_t>(threads),
                     where);
}
ENGINE_PTX void named_barrier_arrive(int barrier, int threads, ENGINE_SIMT_HERE) {
  simt::barrier_arrive(static_cast<std::uint32_t>(barrier), static_cast<std::uint32_t>(threads),
                       where);
}

ENGINE_PTX bool elect_one(ENGINE_SIMT_HERE) {
  simt::warp_collective(~0u, simt::Collective::kElect, nullptr, nullptr, where);
  return simt::current_fiber->lane == 0;
}

template <int kRegisters>
ENGINE_PTX void raise_registers() {
  static_assert(kRegisters % 8 == 0 && kRegisters >= 24 && kRegisters <= 256);
}
template <int kRegisters>
ENGINE_PTX void lower_registers() {
  static_assert(kRegisters % 8 == 0 && kRegisters >= 24 && kRegisters <= 256);
}

ENGINE_PTX std::uint32_t cluster_rank() {
  return simt::current_fiber->block->rank;
}
ENGINE_PTX std::uint32_t address_in_block(std::uint32_t address, std::uint32_t rank) {
  constexpr std::uint32_t kOffset = 0xffffff;
  constexpr int kRankShift = 24;
  const std::uint32_t other = rank == cluster_rank() ? 0 : (rank + 1) << kRankShift;
  return (address & kOffset) | other;
}
ENGINE_PTX void cluster_arrive(ENGINE_SIMT_HERE) {
  simt::cluster_arrive(where);
}
ENGINE_PTX void cluster_wait(ENGINE_SIMT_HERE) {
  simt::cluster_wait(where);
}

}  // namespace engine::ptx
