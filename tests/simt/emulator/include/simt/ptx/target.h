#pragma once

#include "simt/operations.h"

// Inlined, so that reports name the line of the kernel.
#define ENGINE_PTX [[gnu::always_inline]] ENGINE_SIMT_DEVICE
#define ENGINE_PTX_SM90 1
// The last parameter of wrappers that can fail: where the kernel called them.
#define ENGINE_SIMT_HERE ::engine::simt::Location where = ::engine::simt::Location::here()

namespace engine::ptx {

ENGINE_PTX std::uint32_t shared_address(const void* p) {
  return simt::shared_address(p);
}

}  // namespace engine::ptx
