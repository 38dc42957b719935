#pragma once

#include "simt/ptx/target.h"
#include "simt/ptx_operations.h"

namespace engine::ptx {

template <int kMatrices>
ENGINE_PTX void ldmatrix(std::uint32_t (&r)[kMatrices], std::uint32_t row, ENGINE_SIMT_HERE) {
  static_assert(kMatrices == 1 || kMatrices == 2 || kMatrices == 4);
  simt::ldmatrix(r, row, kMatrices, false, where);
}
template <int kMatrices>
ENGINE_PTX void ldmatrix_transposed(std::uint32_t (&r)[kMatrices], std::uint32_t row,
                                    ENGINE_SIMT_HERE) {
  static_assert(kMatrices == 1 || kMatrices == 2 || kMatrices == 4);
  simt::ldmatrix(r, row, kMatrices, true, where);
}
template <int kMatrices>
ENGINE_PTX void stmatrix(const std::uint32_t (&r)[kMatrices], std::uint32_t row, ENGINE_SIMT_HERE) {
  static_assert(kMatrices == 1 || kMatrices == 2 || kMatrices == 4);
  simt::stmatrix(r, row, kMatrices, false, where);
}
template <int kMatrices>
ENGINE_PTX void stmatrix_transposed(const std::uint32_t (&r)[kMatrices], std::uint32_t row,
                                    ENGINE_SIMT_HERE) {
  static_assert(kMatrices == 1 || kMatrices == 2 || kMatrices == 4);
  simt::stmatrix(r, row, kMatrices, true, where);
}

}  // namespace engine::ptx
