#pragma once

#include "simt/ptx/target.h"
#include "simt/ptx_operations.h"

namespace engine::ptx {

ENGINE_PTX std::uint32_t load_shared(std::uint32_t address, ENGINE_SIMT_HERE) {
  return simt::load_shared(address, where);
}

}  // namespace engine::ptx
