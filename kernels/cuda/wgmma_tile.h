#pragma once

// What the products for 9.0a share: a ring of stages in shared memory that one thread fills by TMA
// and two warpgroups multiply by wgmma. A stage has kTileM rows of a and kTileN rows of b, 64 terms
// each, in swizzled lines of 128 bytes that run along the terms or along 64 of the rows, as the
// operand does in global memory.
#include <cstdint>

#include "engine/kernels/cuda/ptx/tma.h"
#include "engine/kernels/cuda/ptx/wgmma.h"

namespace engine::cuda {

inline constexpr int kWgmmaTerms = 64;
inline constexpr int kWgmmaTileM = 128;    // 64 for each consumer
inline constexpr int kWgmmaThreads = 384;  // a warpgroup that loads, two that multiply
inline constexpr int kWgmmaLineBytes = 128;

// Shared addresses of a ring.
template <int kTileN_, int kStages_>
struct WgmmaRing {
  static constexpr int kTileN = kTileN_, kStages = kStages_;
  static constexpr std::uint32_t kABytes = kWgmmaTileM * kWgmmaLineBytes;
  static constexpr std::uint32_t kBBytes = kTileN * kWgmmaLineBytes;
  static constexpr std::uint32_t kStageBytes = kABytes + kBBytes;
  static constexpr std::uint32_t kSharedBytes = kStages * (kStageBytes + 16);

  std::uint32_t base;

  __device__ std::uint32_t a(int stage) const { return base + stage * kStageBytes; }
  __device__ std::uint32_t b(int stage) const { return a(stage) + kABytes; }
  __device__ std::uint32_t full(int stage) const {
    return base + kStages * kStageBytes + stage * 8;
  }
  __device__ std::uint32_t empty(int stage) const { return full(kStages) + stage * 8; }
};

// Where a thread is in its sequence of stages.
template <class Ring>
struct RingPosition {
  int index = 0;
  __device__ int stage() const { return index % Ring::kStages; }
  __device__ std::uint32_t parity() const { return (index / Ring::kStages) & 1; }
};

#ifdef ENGINE_PTX_SM90

// All threads meet, in a cluster those of all its blocks.
template <int kCluster>
__device__ __forceinline__ void meet() {
  if constexpr (kCluster > 1) {
    __syncwarp();  // the barrier takes whole warps, and one lane may have been busy
    ptx::cluster_arrive();
    ptx::cluster_wait();
  } else {
    __syncthreads();
  }
}

// By all threads: makes the ring ready. Returns the block's rank in its cluster. A stage is free
// when both consumers of each block in the cluster say so.
template <int kCluster, class Ring>
__device__ __forceinline__ int start_block(const Ring& ring, const CUtensorMap& a,
                                           const CUtensorMap& b) {
  if (threadIdx.x == 0) {
    ptx::tma_prefetch(&a);
    ptx::tma_prefetch(&b);
    for (int stage = 0; stage < Ring::kStages; ++stage) {
      ptx::mbarrier_init(ring.full(stage), 1);
      ptx::mbarrier_init(ring.empty(stage), 2 * kCluster);
    }
    ptx::fence_mbarrier_init();
  }
  meet<kCluster>();
  return kCluster > 1 ? static_cast<int>(ptx::cluster_rank()) : 0;
}

// By all threads, last: one of them runs produce(), two warpgroups consume(0) and consume(1). No
// block of a cluster leaves while another one may still write to it.
template <int kCluster, class Produce, class Consume>
__device__ __forceinline__ void run_warpgroups(const Produce& produce, const Consume& consume) {
  const int warpgroup = static_cast<int>(threadIdx.x) / 128;
  if (warpgroup == 0) {
    ptx::lower_registers<40>();
    if (threadIdx.x < 32 && ptx::elect_one()) produce();
  } else {
    ptx::raise_registers<232>();
    consume(warpgroup - 1);
  }
  if constexpr (kCluster > 1) meet<kCluster>();
}

// Waits for the stage and announces its bytes. The copies then go to a(stage) and b(stage).
template <class Ring>
__device__ __forceinline__ int open_stage(const Ring& ring, const RingPosition<Ring>& at) {
  const int stage = at.stage();
  ptx::mbarrier_wait(ring.empty(stage), at.parity() ^ 1);
  ptx::mbarrier_arrive_expect_bytes(ring.full(stage), Ring::kStageBytes);
  return stage;
}

// By a consumer: the stage may be filled again, in all blocks of the cluster.
template <int kCluster, class Ring>
__device__ __forceinline__ void release_stage(const Ring& ring, int stage) {
  const int thread = static_cast<int>(threadIdx.x) & 127;
  if (thread >= kCluster) return;
  if constexpr (kCluster == 1) {
    ptx::mbarrier_arrive(ring.empty(stage));
  } else {
    ptx::mbarrier_arrive_in_block(ring.empty(stage), static_cast<std::uint32_t>(thread));
  }
}

// 64 rows by 64, 128 or 256 columns.
template <bool kTransposeA, bool kTransposeB>
__device__ __forceinline__ void wgmma(float (&d)[32], std::uint64_t a, std::uint64_t b, bool add) {
  ptx::wgmma_m64n64k16_bf16<kTransposeA, kTransposeB>(d, a, b, add);
}
template <bool kTransposeA, bool kTransposeB>
__device__ __forceinline__ void wgmma(float (&d)[64], std::uint64_t a, std::uint64_t b, bool add) {
  ptx::wgmma_m64n128k16_bf16<kTransposeA, kTransposeB>(d, a, b, add);
}
template <bool kTransposeA, bool kTransposeB>
__device__ __forceinline__ void wgmma(float (&d)[128], std::uint64_t a, std::uint64_t b, bool add) {
  ptx::wgmma_m64n256k16_bf16<kTransposeA, kTransposeB>(d, a, b, add);
}

// Where lines run along the rows, 64 of them lie in a block of 64 lines, one for each term.
template <bool kAlongTerms>
__device__ __forceinline__ std::uint64_t wgmma_operand(std::uint32_t address) {
  constexpr std::uint32_t kBlock = kWgmmaTerms * kWgmmaLineBytes;
  return ptx::wgmma_descriptor({.address = address,
                                .leading_bytes = kAlongTerms ? 16 : kBlock,
                                .stride_bytes = 8 * kWgmmaLineBytes,
                                .swizzle_bytes = 128});
}

// By consumer `half`: d = the products of the next `steps` stages, of which there is at least one.
template <int kCluster, bool kAAlongTerms, bool kBAlongTerms, class Ring>
__device__ __forceinline__ void multiply_stages(float (&d)[Ring::kTileN / 2], const Ring& ring,
                                                RingPosition<Ring>& at, int steps, int half) {
  // Both layouts have 64 rows in 64 lines. 16 terms further: 32 bytes along a line, or 16 lines.
  constexpr std::uint32_t kHalf = 64 * kWgmmaLineBytes;
  constexpr std::uint64_t kAStep = kAAlongTerms ? 32 / 16 : 16 * kWgmmaLineBytes / 16;
  constexpr std::uint64_t kBStep = kBAlongTerms ? 32 / 16 : 16 * kWgmmaLineBytes / 16;
  for (int step = 0; step < steps; ++step, ++at.index) {
    const int stage = at.stage();
    ptx::mbarrier_wait(ring.full(stage), at.parity());
    const std::uint64_t a =
        wgmma_operand<kAAlongTerms>(ring.a(stage) + static_cast<std::uint32_t>(half) * kHalf);
    const std::uint64_t b = wgmma_operand<kBAlongTerms>(ring.b(stage));
    ptx::wgmma_fence();
#pragma unroll
    for (int k = 0; k < kWgmmaTerms / 16; ++k) {
      wgmma<!kAAlongTerms, !kBAlongTerms>(d, a + k * kAStep, b + k * kBStep, step > 0 || k > 0);
    }
    ptx::wgmma_commit();
    ptx::wgmma_wait<1>();
    if (step > 0) release_stage<kCluster>(ring, (at.index - 1) % Ring::kStages);
  }
  ptx::wgmma_wait_for(d);
  release_stage<kCluster>(ring, (at.index - 1) % Ring::kStages);
}

// Calls write(row, column, pair) for each two neighbours of a row that this thread has of the 64
// rows of its warpgroup.
template <int kSums, class Write>
__device__ __forceinline__ void for_each_wgmma_pair(const float (&d)[kSums], const Write& write) {
  const int thread = static_cast<int>(threadIdx.x) & 127, lane = thread & 31;
  const int row = thread / 32 * 16 + lane / 4;
#pragma unroll
  for (int i = 0; i < kSums; i += 2) {
    const float pair[2] = {d[i], d[i + 1]};
    write(row + i / 2 % 2 * 8, i / 4 * 8 + lane % 4 * 2, pair);
  }
}

#endif

}  // namespace engine::cuda
