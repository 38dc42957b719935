#pragma once

#include <bit>

#include "simt/ptx/target.h"
#include "simt/ptx_operations.h"

namespace engine::ptx {

ENGINE_PTX void mma_m16n8k16_bf16(float (&d)[4], const std::uint32_t (&a)[4],
                                  const std::uint32_t (&b)[2], ENGINE_SIMT_HERE) {
  simt::mma(simt::MmaType::kBf16, d, a, b, where);
}
ENGINE_PTX void mma_m16n8k16_f16(float (&d)[4], const std::uint32_t (&a)[4],
                                 const std::uint32_t (&b)[2], ENGINE_SIMT_HERE) {
  simt::mma(simt::MmaType::kF16, d, a, b, where);
}
ENGINE_PTX void mma_m16n8k8_tf32(float (&d)[4], const std::uint32_t (&a)[4],
                                 const std::uint32_t (&b)[2], ENGINE_SIMT_HERE) {
  simt::mma(simt::MmaType::kTf32, d, a, b, where);
}
ENGINE_PTX std::uint32_t round_to_tf32(float f) {
  const auto bits = std::bit_cast<std::uint32_t>(f);
  const bool is_finite = (bits & 0x7f800000u) != 0x7f800000u;
  return is_finite ? (bits + 0x1000u) & 0xffffe000u : bits;
}

}  // namespace engine::ptx
