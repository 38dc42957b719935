#pragma once

#include "simt/ptx/target.h"
#include "simt/ptx_operations.h"

namespace engine::ptx {

ENGINE_PTX std::uint64_t wgmma_descriptor(const WgmmaOperand& operand) {
  const auto field = [](std::uint32_t bytes) { return std::uint64_t{(bytes & 0x3ffff) >> 4}; };
  // Only dynamic shared memory of the own block lies in the 18 bits of an address.
  if (operand.address >= 0x40000) {
    simt::fail("wgmma", "shared address 0x%x is no operand of wgmma", operand.address);
  }
  const int s = operand.swizzle_bytes;
  const std::uint64_t mode = s == 128 ? 1 : s == 64 ? 2 : s == 32 ? 3 : 0;
  return field(operand.address) | field(operand.leading_bytes) << 16 |
         field(operand.stride_bytes) << 32 | mode << 62;
}

ENGINE_PTX void wgmma_fence() {
  simt::wgmma_fence();
}
ENGINE_PTX void wgmma_commit() {
  simt::wgmma_commit();
}
template <int kPending>
ENGINE_PTX void wgmma_wait(ENGINE_SIMT_HERE) {
  simt::wgmma_wait(kPending, where);
}
template <int kSums>
ENGINE_PTX void wgmma_wait_for(float (&)[kSums], ENGINE_SIMT_HERE) {
  simt::wgmma_wait(0, where);
}

#define ENGINE_SIMT_WGMMA_16(n, type, kind)                                                       \
  template <bool kTransposeA = false, bool kTransposeB = false>                                   \
  ENGINE_PTX void wgmma_m64n##n##k16_##type(float(&d)[n / 2], std::uint64_t a, std::uint64_t b,   \
                                            bool accumulate, ENGINE_SIMT_HERE) {                  \
    const simt::WgmmaForm form{simt::WgmmaType::kind, n, kTransposeA, kTransposeB};               \
    simt::wgmma(form, d, a, nullptr, b, accumulate, where);                                       \
  }                                                                                               \
  template <bool kTransposeB = false>                                                             \
  ENGINE_PTX void wgmma_m64n##n##k16_##type(float(&d)[n / 2], const std::uint32_t(&a)[4],         \
                                            std::uint64_t b, bool accumulate, ENGINE_SIMT_HERE) { \
    const simt::WgmmaForm form{simt::WgmmaType::kind, n, false, kTransposeB};                     \
    simt::wgmma(form, d, 0, a, b, accumulate, where);                                             \
  }
#define ENGINE_SIMT_WGMMA(n)                                                                 \
  ENGINE_SIMT_WGMMA_16(n, bf16, kBf16)                                                       \
  ENGINE_SIMT_WGMMA_16(n, f16, kF16)                                                         \
  ENGINE_PTX void wgmma_m64n##n##k8_tf32(float(&d)[n / 2], std::uint64_t a, std::uint64_t b, \
                                         bool accumulate, ENGINE_SIMT_HERE) {                \
    const simt::WgmmaForm form{simt::WgmmaType::kTf32, n};                                   \
    simt::wgmma(form, d, a, nullptr, b, accumulate, where);                                  \
  }
ENGINE_SIMT_WGMMA(32)
ENGINE_SIMT_WGMMA(64)
ENGINE_SIMT_WGMMA(96)
ENGINE_SIMT_WGMMA(128)
ENGINE_SIMT_WGMMA(192)
ENGINE_SIMT_WGMMA(256)
#undef ENGINE_SIMT_WGMMA
#undef ENGINE_SIMT_WGMMA_16

}  // namespace engine::ptx
