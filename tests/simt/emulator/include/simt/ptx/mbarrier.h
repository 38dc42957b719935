#pragma once

#include "simt/ptx/barrier.h"
#include "simt/ptx_operations.h"

namespace engine::ptx {

ENGINE_PTX void mbarrier_init(std::uint32_t barrier, std::uint32_t arrivals, ENGINE_SIMT_HERE) {
  simt::mbarrier_init(barrier, arrivals, where);
}
ENGINE_PTX void mbarrier_invalidate(std::uint32_t barrier, ENGINE_SIMT_HERE) {
  simt::mbarrier_invalidate(barrier, where);
}
ENGINE_PTX void mbarrier_arrive(std::uint32_t barrier, ENGINE_SIMT_HERE) {
  simt::mbarrier_arrive(barrier, 1, 0, where);
}
ENGINE_PTX void mbarrier_arrive_in_block(std::uint32_t barrier, std::uint32_t rank,
                                         ENGINE_SIMT_HERE) {
  simt::mbarrier_arrive(address_in_block(barrier, rank), 1, 0, where);
}
ENGINE_PTX void mbarrier_arrive_expect_bytes(std::uint32_t barrier, std::uint32_t bytes,
                                             ENGINE_SIMT_HERE) {
  simt::mbarrier_arrive(barrier, 1, static_cast<std::int32_t>(bytes), where);
}
ENGINE_PTX void mbarrier_expect_bytes(std::uint32_t barrier, std::uint32_t bytes,
                                      ENGINE_SIMT_HERE) {
  simt::mbarrier_arrive(barrier, 0, static_cast<std::int32_t>(bytes), where);
}
ENGINE_PTX bool mbarrier_try_wait(std::uint32_t barrier, std::uint32_t parity, ENGINE_SIMT_HERE) {
  return simt::mbarrier_try_wait(barrier, parity, where);
}
ENGINE_PTX void mbarrier_wait(std::uint32_t barrier, std::uint32_t parity, ENGINE_SIMT_HERE) {
  while (!simt::mbarrier_try_wait(barrier, parity, where)) {
  }
}
ENGINE_PTX void fence_mbarrier_init() {
  simt::mbarrier_fence();
}
ENGINE_PTX void fence_proxy_async() {
  simt::proxy_fence();
}

}  // namespace engine::ptx
