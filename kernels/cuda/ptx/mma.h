#pragma once

#include "engine/kernels/cuda/ptx/target.h"

#ifdef ENGINE_SIMT
#include "simt/ptx/mma.h"
#else

// d += a * b on the tensor cores of a warp, f32 accumulators (8.0). With g = lane / 4 and t = lane
// % 4:
//   d[0..3]   rows g, g, g+8, g+8; columns 2t, 2t+1, 2t, 2t+1
//   k16: a[0..3] rows g, g+8, g, g+8; columns 2t and 2t+1, the last two 8 further (low half first)
//        b[0..1] rows 2t and 2t+1, the last one 8 further; column g
//   k8 (tf32): a[0..3] rows g, g+8, g, g+8; columns t, t, t+4, t+4; b[0..1] rows t, t+4; column g
namespace engine::ptx {

ENGINE_PTX void mma_m16n8k16_bf16(float (&d)[4], const std::uint32_t (&a)[4],
                                  const std::uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};\n"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

ENGINE_PTX void mma_m16n8k16_f16(float (&d)[4], const std::uint32_t (&a)[4],
                                 const std::uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
      "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};\n"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

ENGINE_PTX void mma_m16n8k8_tf32(float (&d)[4], const std::uint32_t (&a)[4],
                                 const std::uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
      "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};\n"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// To nearest, ties away from zero. Without it the tensor cores drop the low 13 bits.
ENGINE_PTX std::uint32_t round_to_tf32(float f) {
  std::uint32_t bits;
  asm("cvt.rna.tf32.f32 %0, %1;\n" : "=r"(bits) : "f"(f));
  return bits;
}

}  // namespace engine::ptx
#endif
