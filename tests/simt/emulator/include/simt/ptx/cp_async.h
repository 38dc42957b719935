#pragma once

#include "simt/ptx/target.h"
#include "simt/ptx_operations.h"

namespace engine::ptx {

template <int kBytes>
ENGINE_PTX void cp_async(std::uint32_t destination, const void* source, ENGINE_SIMT_HERE) {
  static_assert(kBytes == 4 || kBytes == 8 || kBytes == 16);
  simt::cp_async(destination, source, kBytes, kBytes, where);
}
template <int kBytes>
ENGINE_PTX void cp_async_or_zero(std::uint32_t destination, const void* source, bool exists,
                                 ENGINE_SIMT_HERE) {
  static_assert(kBytes == 4 || kBytes == 8 || kBytes == 16);
  simt::cp_async(destination, source, kBytes, exists ? kBytes : 0, where);
}
ENGINE_PTX void cp_async_commit() {
  simt::cp_async_commit();
}
template <int kPending>
ENGINE_PTX void cp_async_wait() {
  simt::cp_async_wait(kPending);
}
ENGINE_PTX void cp_async_wait_all() {
  simt::cp_async_wait(simt::kCpAsyncAll);
}

}  // namespace engine::ptx
