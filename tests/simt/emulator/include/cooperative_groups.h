#pragma once

#include "cuda_runtime.h"

// The part of cooperative groups that kernels may use here: the block, and tiles of up to a warp.
namespace cooperative_groups {

using engine::simt::current_fiber;
using engine::simt::Location;

struct thread_block {
  void sync(Location where = Location::here()) const { __syncthreads(where); }
  unsigned thread_rank() const { return current_fiber->index; }
  unsigned size() const { return current_fiber->block->threads; }
};
inline thread_block this_thread_block() {
  return {};
}

template <unsigned kSize>
struct thread_block_tile {
  static_assert(kSize <= 32 && (kSize & (kSize - 1)) == 0);

  static constexpr unsigned size() { return kSize; }
  unsigned thread_rank() const { return current_fiber->lane & (kSize - 1); }
  unsigned meta_group_rank() const { return current_fiber->index / kSize; }
  unsigned meta_group_size() const { return current_fiber->block->threads / kSize; }

  void sync(Location where = Location::here()) const { __syncwarp(mask(), where); }
  template <class T>
  T shfl(T v, int source, Location where = Location::here()) const {
    return __shfl_sync(mask(), v, source, kSize, where);
  }
  template <class T>
  T shfl_down(T v, unsigned by, Location where = Location::here()) const {
    return __shfl_down_sync(mask(), v, by, kSize, where);
  }
  template <class T>
  T shfl_up(T v, unsigned by, Location where = Location::here()) const {
    return __shfl_up_sync(mask(), v, by, kSize, where);
  }
  template <class T>
  T shfl_xor(T v, unsigned with, Location where = Location::here()) const {
    return __shfl_xor_sync(mask(), v, with, kSize, where);
  }
  unsigned ballot(int claim, Location where = Location::here()) const {
    return __ballot_sync(mask(), claim, where) >> first_lane();
  }
  int any(int claim, Location where = Location::here()) const {
    return __any_sync(mask(), claim, where);
  }
  int all(int claim, Location where = Location::here()) const {
    return __all_sync(mask(), claim, where);
  }

 private:
  static unsigned first_lane() { return current_fiber->lane & ~(kSize - 1); }
  static unsigned mask() { return (kSize == 32 ? ~0u : (1u << kSize % 32) - 1) << first_lane(); }
};

template <unsigned kSize, class Parent>
thread_block_tile<kSize> tiled_partition(const Parent&) {
  return {};
}

}  // namespace cooperative_groups
