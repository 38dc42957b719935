#pragma once

#include "engine/kernels/cuda/ptx/target.h"

#ifdef ENGINE_SIMT
#include "simt/ptx/ldmatrix.h"
#else

// 8x8 matrices of 16-bit elements between shared memory and the registers of a whole warp. Lanes
// 8i to 8i+7 give the addresses of the rows of matrix i (16 bytes each, aligned). Register i of
// lane l holds columns 2*(l%4), 2*(l%4)+1 of row l/4 of matrix i; transposed: these rows of column
// l/4.
namespace engine::ptx {

ENGINE_PTX void ldmatrix(std::uint32_t (&r)[1], std::uint32_t row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%0}, [%1];\n"
               : "=r"(r[0])
               : "r"(row)
               : "memory");
}
ENGINE_PTX void ldmatrix(std::uint32_t (&r)[2], std::uint32_t row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];\n"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(row)
               : "memory");
}
ENGINE_PTX void ldmatrix(std::uint32_t (&r)[4], std::uint32_t row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];\n"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(row)
               : "memory");
}
ENGINE_PTX void ldmatrix_transposed(std::uint32_t (&r)[1], std::uint32_t row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16 {%0}, [%1];\n"
               : "=r"(r[0])
               : "r"(row)
               : "memory");
}
ENGINE_PTX void ldmatrix_transposed(std::uint32_t (&r)[2], std::uint32_t row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];\n"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(row)
               : "memory");
}
ENGINE_PTX void ldmatrix_transposed(std::uint32_t (&r)[4], std::uint32_t row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];\n"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(row)
               : "memory");
}

#ifdef ENGINE_PTX_SM90
ENGINE_PTX void stmatrix(const std::uint32_t (&r)[1], std::uint32_t row) {
  asm volatile("stmatrix.sync.aligned.m8n8.x1.shared.b16 [%1], {%0};\n" ::"r"(r[0]), "r"(row)
               : "memory");
}
ENGINE_PTX void stmatrix(const std::uint32_t (&r)[2], std::uint32_t row) {
  asm volatile("stmatrix.sync.aligned.m8n8.x2.shared.b16 [%2], {%0,%1};\n" ::"r"(r[0]), "r"(r[1]),
               "r"(row)
               : "memory");
}
ENGINE_PTX void stmatrix(const std::uint32_t (&r)[4], std::uint32_t row) {
  asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%4], {%0,%1,%2,%3};\n" ::"r"(r[0]),
               "r"(r[1]), "r"(r[2]), "r"(r[3]), "r"(row)
               : "memory");
}
ENGINE_PTX void stmatrix_transposed(const std::uint32_t (&r)[1], std::uint32_t row) {
  asm volatile("stmatrix.sync.aligned.m8n8.x1.trans.shared.b16 [%1], {%0};\n" ::"r"(r[0]), "r"(row)
               : "memory");
}
ENGINE_PTX void stmatrix_transposed(const std::uint32_t (&r)[2], std::uint32_t row) {
  asm volatile("stmatrix.sync.aligned.m8n8.x2.trans.shared.b16 [%2], {%0,%1};\n" ::"r"(r[0]),
               "r"(r[1]), "r"(row)
               : "memory");
}
ENGINE_PTX void stmatrix_transposed(const std::uint32_t (&r)[4], std::uint32_t row) {
  asm volatile("stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%4], {%0,%1,%2,%3};\n" ::"r"(r[0]),
               "r"(r[1]), "r"(r[2]), "r"(r[3]), "r"(row)
               : "memory");
}
#endif

}  // namespace engine::ptx
#endif
