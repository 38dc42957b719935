#pragma once

#include <cuda_runtime.h>

// Mistakes that a test switches on in the sample kernels, one at a time. nvcc sees none of them.
namespace engine::samples {

enum class Bug {
  kNone,
  kReduceBound,
  kReduceDivergentBarrier,
  kReduceNoBarrier,
  kReduceUninitialised,
  kReduceShuffleMask,
  kReduceNoAtomic,
  kReduceWarpSynchronous,
  kMaxPoolEdge,
  kConvWait,
  kConvNoBarrier,
  kConvSwizzle,
  kConvFragment,
  kConvEpilogue,
  kAdamOverlap,
  kAdamTail,
  kToBytesOverlap,
  kMatmulDescriptor,
  kMatmulParity,
  kMatmulNoEmptyWait,
  kMatmulBytes,
  kMatmulNoFullWait,
  kMatmulEarlyRelease,
  kMatmulNoWait,
  kMatmulNoProxyFence,
  kMatmulNoInitBarrier,
  kMatmulNoInitFence,
  kMatmulNoWgmmaFence,
  kMatmulPartedWarp,
};

#ifdef ENGINE_SIMT
extern Bug planted_bug;
ENGINE_SIMT_DEVICE bool planted(Bug bug) {
  return planted_bug == bug;
}
#else
__device__ constexpr bool planted(Bug) {
  return false;
}
#endif

}  // namespace engine::samples
