#pragma once

#include "engine/core/cpu_info.h"
#include "engine/kernels/cpu/lanes.h"

// Dot products of bf16, an instruction of avx512_bf16.
namespace engine::cpu {

// As text: an intrinsic is not inlined into a template that is compiled for other processors too.
// Clang refuses the operands there.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define ENGINE_HAS_DOT_PRODUCTS 1
// sums[i] += a[2i] * b[2i] + a[2i + 1] * b[2i + 1]: both vectors are 32 bf16.
template <class Vector>
ENGINE_ALWAYS_INLINE void add_dot_products(const Vector& a, const Vector& b, Lanes& sums) {
  asm("vdpbf16ps %2, %1, %0" : "+v"(sums) : "v"(a), "v"(b));
}
#else
#define ENGINE_HAS_DOT_PRODUCTS 0
#endif

// Whether they are compiled in and this processor has them, with the rest of AVX-512 around them.
inline bool has_dot_products() {
  return ENGINE_HAS_DOT_PRODUCTS && cpu_has("avx512_bf16") && cpu_has("avx512bw") &&
         cpu_has("avx512dq") && cpu_has("avx512vl");
}

}  // namespace engine::cpu
