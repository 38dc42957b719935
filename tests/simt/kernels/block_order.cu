#include "block_order.h"
#include "engine/core/cuda/launch.h"
#include "engine/kernels/cuda/ptx/atomic.h"

namespace engine::samples {
namespace {

__device__ std::uint32_t take_ticket(BlockOrder order, std::uint32_t* tickets) {
  switch (order) {
    case BlockOrder::kAcquireRelease:
      return ptx::add_acquire_release(tickets, 1);
    case BlockOrder::kWrongAddress: {
      ptx::add_release(tickets + 1, 1);
      const std::uint32_t ticket = atomicAdd(tickets, 1u);
      ptx::load_acquire(tickets);
      return ticket;
    }
    default: {
      if (order != BlockOrder::kNoRelease) __threadfence();
      const std::uint32_t ticket = atomicAdd(tickets, 1u);
      if (order != BlockOrder::kNoAcquire) __threadfence();
      return ticket;
    }
  }
}

template <class T>
__global__ void last_block_kernel(BlockOrder order, T* values, std::uint32_t* tickets, int* sum) {
  __shared__ bool is_last;
  if (threadIdx.x == 0) {
    values[blockIdx.x] = static_cast<T>(blockIdx.x + 1);
    is_last = take_ticket(order, tickets) == gridDim.x - 1;
  }
  __syncthreads();
  if (!is_last || threadIdx.x != 32) return;  // not the thread that took the ticket
  int total = 0;
  for (unsigned block = 0; block < gridDim.x; block++) total += values[block];
  *sum = total;
}

}  // namespace

template <class T>
void add_up_in_last_block(BlockOrder order, T* values, std::uint32_t* tickets, int* sum,
                          int blocks) {
  const cuda::LaunchConfig config{.grid = static_cast<unsigned>(blocks), .block = 64};
  ENGINE_LAUNCH(last_block_kernel<T>, config, nullptr, order, values, tickets, sum);
}
template void add_up_in_last_block(BlockOrder, int*, std::uint32_t*, int*, int);
template void add_up_in_last_block(BlockOrder, std::uint8_t*, std::uint32_t*, int*, int);

}  // namespace engine::samples
