#include "engine/core/cuda/launch.h"
#include "engine/kernels/cuda/ptx/tma.h"
#include "engine/kernels/cuda/ptx/wgmma.h"
#include "matmul_sm90.h"
#include "planted_bug.h"
#include "tensor_map.h"

// GEMM for 9.0a: persistent blocks of three warpgroups. One thread of the first brings tiles by TMA
// through a ring of 4 stages; the other two multiply 64 x 128 each by wgmma and write their part of
// the 128 x 128 tile by TMA. In a cluster of two each block brings half of b for both.
namespace engine::samples {
namespace {

using bf16 = __nv_bfloat16;

constexpr int kTileM = 128, kTileN = 128, kTileK = 64, kStages = 4, kThreads = 384;
[[maybe_unused]] constexpr int kLineBytes = 128;  // of a swizzled tile: 64 elements
constexpr std::uint32_t kABytes = kTileM * kTileK * 2, kBBytes = kTileN * kTileK * 2;
constexpr std::uint32_t kCBytes = kTileM * kTileN * 2;
constexpr std::uint32_t kSharedBytes = kStages * (kABytes + kBBytes) + kCBytes + kStages * 16;

#ifdef ENGINE_PTX_SM90

// Shared addresses.
struct Layout {
  std::uint32_t base;
  __device__ std::uint32_t a(int stage) const { return base + stage * kABytes; }
  __device__ std::uint32_t b(int stage) const { return base + kStages * kABytes + stage * kBBytes; }
  __device__ std::uint32_t c() const { return base + kStages * (kABytes + kBBytes); }
  __device__ std::uint32_t full(int stage) const { return c() + kCBytes + stage * 8; }
  __device__ std::uint32_t empty(int stage) const { return full(kStages) + stage * 8; }
};

// Where a block is in its sequence of stages.
struct Position {
  int index = 0;
  __device__ int stage() const { return index % kStages; }
  __device__ std::uint32_t parity() const { return (index / kStages) & 1; }
};

// The tiles of one cluster, in its order.
template <int kCluster>
struct Tiles {
  int columns, count, first, step;
  __device__ Tiles(int m, int n)
      : columns((n + kTileN - 1) / kTileN),
        count((m + kTileM * kCluster - 1) / (kTileM * kCluster) * columns),
        first(blockIdx.x / kCluster),
        step(gridDim.x / kCluster) {}
  __device__ int row(int tile, int rank) const {
    return (tile / columns * kCluster + rank) * kTileM;
  }
  __device__ int column(int tile) const { return tile % columns * kTileN; }
};

__device__ __forceinline__ std::uint64_t descriptor(std::uint32_t address) {
  const std::uint32_t eight_lines = planted(Bug::kMatmulDescriptor) ? 512 : 8 * kLineBytes;
  return ptx::wgmma_descriptor({address, 16, eight_lines, 128});
}

template <int kCluster>
__device__ __forceinline__ void produce(const Layout& shared, const CUtensorMap& a,
                                        const CUtensorMap& b, const Tiles<kCluster>& tiles,
                                        int steps, int rank) {
  Position at;
  for (int tile = tiles.first; tile < tiles.count; tile += tiles.step) {
    for (int step = 0; step < steps; step++, at.index++) {
      const std::uint32_t full = shared.full(at.stage());
      const std::uint32_t wrong = planted(Bug::kMatmulParity) ? 0 : 1;
      if (!planted(Bug::kMatmulNoEmptyWait)) {
        ptx::mbarrier_wait(shared.empty(at.stage()), at.parity() ^ wrong);  // mistake: parity
      }
      const std::uint32_t bytes = planted(Bug::kMatmulBytes) ? kABytes : kABytes + kBBytes;
      ptx::mbarrier_arrive_expect_bytes(full, bytes);  // mistake: no_empty_wait
      ptx::tma_load(shared.a(at.stage()), &a, full, step * kTileK, tiles.row(tile, rank));
      if constexpr (kCluster == 1) {
        ptx::tma_load(shared.b(at.stage()), &b, full, step * kTileK, tiles.column(tile));
      } else {
        constexpr std::uint32_t kPart = kBBytes / kCluster;
        constexpr std::uint16_t kAll = (1 << kCluster) - 1;
        ptx::tma_load_multicast(shared.b(at.stage()) + rank * kPart, &b, full, kAll, step * kTileK,
                                tiles.column(tile) + rank * (kTileN / kCluster));
      }
    }
  }
}

// One consumer warpgroup's 64 x 128 accumulators, to swizzled shared memory and from there to c.
__device__ __forceinline__ void store(const float (&d)[64], const Layout& shared, char* memory,
                                      const CUtensorMap& c, int half, int row, int column) {
  const int thread = threadIdx.x & 127, warp = thread >> 5, lane = thread & 31;
  constexpr std::uint32_t kHalfBytes = kCBytes / 2, kBoxBytes = kHalfBytes / 2;
  const std::uint32_t from = shared.c() + half * kHalfBytes;
  char* const to = memory + (from - shared.base);
  if (thread == 0) ptx::bulk_wait_read<0>();
  ptx::named_barrier_sync(1 + half, 128);
#pragma unroll
  for (int j = 0; j < 16; j++) {
#pragma unroll
    for (int h = 0; h < 2; h++) {
      const int line = warp * 16 + (lane >> 2) + h * 8;
      const int chunk = (j & 7) ^ (line & 7);
      char* const pair =
          to + (j >> 3) * kBoxBytes + line * kLineBytes + (chunk << 4) + (lane & 3) * 4;
      *reinterpret_cast<__nv_bfloat162*>(pair) =
          __floats2bfloat162_rn(d[j * 4 + h * 2], d[j * 4 + h * 2 + 1]);
    }
  }
  if (!planted(Bug::kMatmulNoProxyFence)) ptx::fence_proxy_async();
  ptx::named_barrier_sync(1 + half, 128);
  if (thread != 0) return;
  for (int box = 0; box < 2; box++) {
    ptx::tma_store(&c, from + box * kBoxBytes, column + box * 64, row);  // mistake: no_proxy_fence
  }
  ptx::bulk_commit();
}

template <int kCluster>
__device__ __forceinline__ void consume(const Layout& shared, char* memory, const CUtensorMap& c,
                                        const Tiles<kCluster>& tiles, int steps, int rank,
                                        int half) {
  const int thread = threadIdx.x & 127;
  const auto release = [&](int stage) {
    if (thread >= kCluster) return;
    if constexpr (kCluster == 1) {
      ptx::mbarrier_arrive(shared.empty(stage));
    } else {
      ptx::mbarrier_arrive_in_block(shared.empty(stage), thread);
    }
  };
  Position at;
  for (int tile = tiles.first; tile < tiles.count; tile += tiles.step) {
    float d[64];
    for (int step = 0; step < steps; step++, at.index++) {
      const int stage = at.stage();
      if (!planted(Bug::kMatmulNoFullWait)) ptx::mbarrier_wait(shared.full(stage), at.parity());
      const std::uint64_t a = descriptor(shared.a(stage) + half * 64 * kLineBytes);
      const std::uint64_t b = descriptor(shared.b(stage));
      if (!planted(Bug::kMatmulNoWgmmaFence)) ptx::wgmma_fence();
#pragma unroll
      for (int k = 0; k < kTileK / 16; k++) {  // 32 bytes further along the line
        const bool add = step > 0 || k > 0;
        ptx::wgmma_m64n128k16_bf16(d, a + k * 2, b + k * 2, add);  // mistake: no_wgmma_fence
      }
      ptx::wgmma_commit();
      if (planted(Bug::kMatmulEarlyRelease)) {
        release(stage);
        ptx::wgmma_wait<0>();  // mistake: early_release
      } else {
        ptx::wgmma_wait<1>();  // mistake: bytes, no_full_wait
        if (step > 0) release((at.index - 1) % kStages);
      }
    }
    if (!planted(Bug::kMatmulNoWait)) ptx::wgmma_wait_for(d);
    if (!planted(Bug::kMatmulEarlyRelease)) release((at.index - 1) % kStages);
    store(d, shared, memory, c, half, tiles.row(tile, rank) + half * 64, tiles.column(tile));
  }
  if (thread == 0) ptx::bulk_wait<0>();
}

#endif

template <int kCluster>
__global__ void __launch_bounds__(kThreads, 1)
    matmul_sm90_kernel(const __grid_constant__ CUtensorMap a, const __grid_constant__ CUtensorMap b,
                       const __grid_constant__ CUtensorMap c, int m, int n, int k) {
#ifdef ENGINE_PTX_SM90
  ENGINE_DYNAMIC_SHARED(char, memory);
  const Layout shared{ptx::shared_address(memory)};
  const int warpgroup = threadIdx.x >> 7, warp = threadIdx.x >> 5;
  const int rank = kCluster > 1 ? static_cast<int>(ptx::cluster_rank()) : 0;
  if (threadIdx.x == 0) {
    ptx::tma_prefetch(&a);
    ptx::tma_prefetch(&b);
    for (int stage = 0; stage < kStages; stage++) {
      ptx::mbarrier_init(shared.full(stage), 1);  // mistake: no_init_barrier, no_init_fence
      ptx::mbarrier_init(shared.empty(stage), 2 * kCluster);
    }
    if (!planted(Bug::kMatmulNoInitFence)) ptx::fence_mbarrier_init();
  }
  if (kCluster > 1) {
    ptx::cluster_arrive();
    ptx::cluster_wait();
  } else if (!planted(Bug::kMatmulNoInitBarrier)) {
    __syncthreads();
  }
  const Tiles<kCluster> tiles(m, n);
  const int steps = (k + kTileK - 1) / kTileK;
  if (warpgroup == 0) {
    ptx::lower_registers<40>();
    if (warp == 0 && ptx::elect_one()) produce(shared, a, b, tiles, steps, rank);
  } else {
    ptx::raise_registers<232>();
    consume(shared, memory, c, tiles, steps, rank, warpgroup - 1);
  }
  if (kCluster > 1) {  // no block leaves while the other may still write to it
    if (!planted(Bug::kMatmulPartedWarp)) __syncwarp();  // after what one lane did
    ptx::cluster_arrive();                               // mistake: parted_warp
    ptx::cluster_wait();
  }
#endif
}

CUtensorMap matrix_map(const bf16* data, int rows, int columns, int box_rows) {
  return make_tensor_map(data, {.sizes = {std::uint64_t(columns), std::uint64_t(rows)},
                                .box = {64, std::uint32_t(box_rows)}});
}

template <int kCluster>
void run(const bf16* a, const bf16* b, bf16* c, const Matmul& p) {
  const int tiles =
      (p.m + kTileM * kCluster - 1) / (kTileM * kCluster) * ((p.n + kTileN - 1) / kTileN);
  const int blocks = tiles * kCluster < p.blocks ? tiles * kCluster : p.blocks;
  const cuda::LaunchConfig config{.grid = static_cast<unsigned>(blocks),
                                  .block = kThreads,
                                  .shared_bytes = kSharedBytes,
                                  .cluster = kCluster};
  ENGINE_LAUNCH(matmul_sm90_kernel<kCluster>, config, nullptr, matrix_map(a, p.m, p.k, kTileM),
                matrix_map(b, p.n, p.k, kTileN / kCluster), matrix_map(c, p.m, p.n, 64), p.m, p.n,
                p.k);
}

}  // namespace

void matmul_sm90(const bf16* a, const bf16* b, bf16* c, const Matmul& problem) {
  problem.cluster == 2 ? run<2>(a, b, c, problem) : run<1>(a, b, c, problem);
}

}  // namespace engine::samples
