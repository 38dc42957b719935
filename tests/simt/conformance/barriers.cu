#include <set>

#include "conformance.h"
#include "engine/kernels/cuda/ptx/atomic.h"
#include "engine/kernels/cuda/ptx/mbarrier.h"

// Barriers, clusters, and order between blocks.
namespace engine::conformance {
namespace {

// Warps 0 and 1 hand values over to warps 2 and 3: arrive does not wait, sync does.
__global__ void named_barrier_kernel(int* out) {
  __shared__ int values[64];
  const int t = threadIdx.x;
  if (t < 64) {
    values[t] = t + 1;
    ptx::named_barrier_arrive(3, 128);
  } else {
    ptx::named_barrier_sync(3, 128);
    out[t - 64] = values[127 - t];
  }
}

__global__ void elect_one_kernel(int* out) {
#ifdef ENGINE_PTX_SM90
  out[threadIdx.x] = ptx::elect_one() ? 1 : 0;
#endif
}

__global__ void __launch_bounds__(384, 1) registers_kernel(int* out) {
#ifdef ENGINE_PTX_SM90
  if (threadIdx.x < 128) {
    ptx::lower_registers<40>();
  } else {
    ptx::raise_registers<232>();
  }
  out[threadIdx.x] = static_cast<int>(threadIdx.x);
#endif
}

// Three phases: 32 consumers wait for each, the producer writes between them.
__global__ void mbarrier_kernel(int* out) {
#ifdef ENGINE_PTX_SM90
  __shared__ __align__(8) std::uint64_t barriers[2];
  __shared__ int value;
  const std::uint32_t full = ptx::shared_address(barriers), empty = full + 8;
  const int t = threadIdx.x;
  if (t == 0) {
    ptx::mbarrier_init(full, 1);
    ptx::mbarrier_init(empty, 32);
    ptx::fence_mbarrier_init();
  }
  __syncthreads();
  // The phase before the first counts as over.
  if (t < 32) out[96 + t] = ptx::mbarrier_try_wait(full, 1) ? 1 : 0;
  __syncthreads();
  for (int phase = 0; phase < 3; phase++) {
    const std::uint32_t parity = phase & 1;
    if (t == 32) {
      ptx::mbarrier_wait(empty, parity ^ 1);
      value = 10 * phase + 7;
      ptx::mbarrier_arrive(full);
    } else if (t < 32) {
      ptx::mbarrier_wait(full, parity);
      out[phase * 32 + t] = value + t;
      ptx::mbarrier_arrive(empty);
    }
  }
  __syncthreads();
  if (t == 0) ptx::mbarrier_invalidate(full);
#endif
}

// Each block of a cluster waits for one arrival from every block.
__global__ void cluster_kernel(int* out) {
#ifdef ENGINE_PTX_SM90
  ENGINE_DYNAMIC_SHARED(std::uint64_t, barrier);
  const std::uint32_t address = ptx::shared_address(barrier);
  const int blocks = static_cast<int>(gridDim.x);
  if (threadIdx.x == 0) {
    ptx::mbarrier_init(address, gridDim.x);
    ptx::mbarrier_init(address + 8, 1);
    ptx::fence_mbarrier_init();
  }
  ptx::cluster_arrive();
  ptx::cluster_wait();
  const int t = threadIdx.x;
  if (t < blocks) ptx::mbarrier_arrive_in_block(address, static_cast<std::uint32_t>(t));
  ptx::mbarrier_wait(address, 0);
  if (t == 0) out[blockIdx.x] = static_cast<int>(ptx::cluster_rank());
  // The own block's place, as an address of the cluster.
  if (t == 0) {
    ptx::mbarrier_arrive_in_block(address + 8, ptx::cluster_rank());
    ptx::mbarrier_wait(address + 8, 0);
  }
  __syncwarp();  // the cluster's barrier takes whole warps
  ptx::cluster_arrive();
  ptx::cluster_wait();
#endif
}

// Each block arrives at the next one's barrier, as often as that waits for: its rank and once more.
// Of its own address as every block's it tells the distance to the one 16 bytes on.
__global__ void address_in_block_kernel(int* is_over, std::uint32_t* addresses, int* distances) {
#ifdef ENGINE_PTX_SM90
  ENGINE_DYNAMIC_SHARED(std::uint64_t, barrier);
  const std::uint32_t address = ptx::shared_address(barrier), rank = ptx::cluster_rank();
  const std::uint32_t t = threadIdx.x, blocks = gridDim.x, next = (rank + 1) % blocks;
  if (t == 0) {
    ptx::mbarrier_init(address, rank + 1);
    ptx::fence_mbarrier_init();
  }
  __syncwarp();  // the cluster's barrier takes whole warps
  ptx::cluster_arrive();
  ptx::cluster_wait();
  if (t < next + 1) ptx::mbarrier_arrive_in_block(address, next);
  __syncwarp();
  ptx::cluster_arrive();
  ptx::cluster_wait();
  if (t < blocks) {
    addresses[rank * blocks + t] = ptx::address_in_block(address, t);
    distances[rank * blocks + t] = static_cast<int>(ptx::address_in_block(address + 16, t) -
                                                    ptx::address_in_block(address, t));
  }
  if (t == 0) {
    bool over = false;
    for (int i = 0; i < 100 && !over; i++) over = ptx::mbarrier_try_wait(address, 0);
    is_over[rank] = over;
  }
#endif
}

// Block 0 publishes its values by a flag, the last block reads them.
__global__ void release_acquire_kernel(int* values, std::uint32_t* flag, int* out) {
  if (blockIdx.x == 0) {
    values[threadIdx.x] = static_cast<int>(threadIdx.x) * 3 + 1;
    __syncthreads();
    if (threadIdx.x == 0) ptx::store_release(flag, 1);
  } else if (blockIdx.x == gridDim.x - 1) {
    if (threadIdx.x == 0) {
      while (ptx::load_acquire(flag) == 0) __nanosleep(50);
    }
    __syncthreads();
    out[threadIdx.x] = values[threadIdx.x];
  }
}

// Every block writes one value; the block that comes last adds them up.
__global__ void last_block_kernel(int* values, std::uint32_t* ticket, int* out) {
  __shared__ bool is_last;
  if (threadIdx.x == 0) {
    values[blockIdx.x] = static_cast<int>(blockIdx.x) + 1;
    is_last = ptx::add_acquire_release(ticket, 1) == gridDim.x - 1;
  }
  __syncthreads();
  if (!is_last || threadIdx.x != 0) return;
  int sum = 0;
  for (unsigned block = 0; block < gridDim.x; block++) sum += values[block];
  *out = sum;
}

// The same with a release, and an acquire by whoever sees the full count.
__global__ void count_release_kernel(int* values, std::uint32_t* count, int* out) {
  if (threadIdx.x != 0) return;
  values[blockIdx.x] = static_cast<int>(blockIdx.x) + 1;
  ptx::add_release(count, 1);
  if (ptx::load_acquire(count) != gridDim.x) return;
  int sum = 0;
  for (unsigned block = 0; block < gridDim.x; block++) sum += values[block];
  *out = sum;
}

}  // namespace

ENGINE_CONFORMANCE(named_barriers, 80) {
  const Array<int> out(64);
  ENGINE_LAUNCH(named_barrier_kernel, {.block = 128}, nullptr, out.data());
  std::vector<int> want(64);
  for (int i = 0; i < 64; i++) want[i] = 64 - i;
  result.expect_equal(out.values(), want);
}

ENGINE_CONFORMANCE(elect_one, 90) {
  const Array<int> out(128);
  ENGINE_LAUNCH(elect_one_kernel, {.block = 128}, nullptr, out.data());
  const auto elected = out.values();
  for (int warp = 0; warp < 4; warp++) {
    int count = 0;
    for (int lane = 0; lane < 32; lane++) count += elected[warp * 32 + lane];
    result.expect(count, 1, 0, warp);
  }
}

ENGINE_CONFORMANCE(raise_and_lower_registers, 90) {
  const Array<int> out(384);
  ENGINE_LAUNCH(registers_kernel, {.block = 384}, nullptr, out.data());
  std::vector<int> want(384);
  for (int i = 0; i < 384; i++) want[i] = i;
  result.expect_equal(out.values(), want);
}

ENGINE_CONFORMANCE(mbarrier_phases, 90) {
  const Array<int> out(128);
  ENGINE_LAUNCH(mbarrier_kernel, {.block = 64}, nullptr, out.data());
  std::vector<int> want(128, 1);
  for (int i = 0; i < 96; i++) want[i] = 10 * (i / 32) + 7 + i % 32;
  result.expect_equal(out.values(), want);
}

ENGINE_CONFORMANCE(cluster_barriers, 90) {
  const Array<int> out(4);
  ENGINE_LAUNCH(cluster_kernel, {.grid = 4, .block = 32, .shared_bytes = 1024, .cluster = 4},
                nullptr, out.data());
  result.expect_equal(out.values(), {0, 1, 2, 3});
}

ENGINE_CONFORMANCE(address_in_block, 90) {
  const Array<int> is_over(4), distances(16);
  const Array<std::uint32_t> addresses(16);
  ENGINE_LAUNCH(address_in_block_kernel,
                {.grid = 4, .block = 32, .shared_bytes = 1024, .cluster = 4}, nullptr,
                is_over.data(), addresses.data(), distances.data());
  result.expect_equal(is_over.values(), {1, 1, 1, 1});
  result.expect_equal(distances.values(), std::vector<int>(16, 16));
  const auto got = addresses.values();
  for (int block = 0; block < 4; block++) {
    const std::set<std::uint32_t> different(&got[block * 4], &got[block * 4] + 4);
    result.expect(double(different.size()), 4, 0, block);
  }
}

ENGINE_CONFORMANCE(release_acquire, 80) {
  const Array<int> values(64), out(64);
  const Array<std::uint32_t> flag(1);
  ENGINE_LAUNCH(release_acquire_kernel, {.grid = 2, .block = 64}, nullptr, values.data(),
                flag.data(), out.data());
  std::vector<int> want(64);
  for (int i = 0; i < 64; i++) want[i] = i * 3 + 1;
  result.expect_equal(out.values(), want);
}

ENGINE_CONFORMANCE(last_block_adds_up, 80) {
  const Array<int> values(64), out(1);
  const Array<std::uint32_t> ticket(1);
  ENGINE_LAUNCH(last_block_kernel, {.grid = 64, .block = 32}, nullptr, values.data(), ticket.data(),
                out.data());
  result.expect_equal(out.values(), {64 * 65 / 2});
}

ENGINE_CONFORMANCE(release_by_addition, 80) {
  const Array<int> values(64), out(1);
  const Array<std::uint32_t> count(1);
  ENGINE_LAUNCH(count_release_kernel, {.grid = 64, .block = 32}, nullptr, values.data(),
                count.data(), out.data());
  result.expect_equal(out.values(), {64 * 65 / 2});
}

}  // namespace engine::conformance
