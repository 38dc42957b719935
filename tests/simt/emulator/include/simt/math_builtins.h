#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "simt/fiber.h"

// Arithmetic intrinsics. Approximate ones are exact here, so compare with tolerances.

// glibc's math.h declares functions of these names: macros, not overloads.
#define __expf(x) expf(x)
#define __logf(x) logf(x)
#define __powf(x, y) powf(x, y)
#define __sinf(x) sinf(x)
#define __cosf(x) cosf(x)

// Device code has these without std.
using std::isfinite;
using std::isinf;
using std::isnan;

ENGINE_SIMT_DEVICE float __fdividef(float a, float b) {
  return a / b;
}
ENGINE_SIMT_DEVICE float __frcp_rn(float a) {
  return 1.0f / a;
}
ENGINE_SIMT_DEVICE float __fsqrt_rn(float a) {
  return sqrtf(a);
}
ENGINE_SIMT_DEVICE float __frsqrt_rn(float a) {
  return 1.0f / sqrtf(a);
}
ENGINE_SIMT_DEVICE float __fmaf_rn(float a, float b, float c) {
  return fmaf(a, b, c);
}
ENGINE_SIMT_DEVICE float __fadd_rn(float a, float b) {
  return a + b;
}
ENGINE_SIMT_DEVICE float __fsub_rn(float a, float b) {
  return a - b;
}
ENGINE_SIMT_DEVICE float __fmul_rn(float a, float b) {
  return a * b;
}
ENGINE_SIMT_DEVICE float __fdiv_rn(float a, float b) {
  return a / b;
}
ENGINE_SIMT_DEVICE float rsqrtf(float a) {
  return 1.0f / sqrtf(a);
}
ENGINE_SIMT_DEVICE float __saturatef(float a) {
  return !(a > 0) ? 0 : a > 1 ? 1 : a;
}

ENGINE_SIMT_DEVICE int __float_as_int(float f) {
  return std::bit_cast<int>(f);
}
ENGINE_SIMT_DEVICE unsigned __float_as_uint(float f) {
  return std::bit_cast<unsigned>(f);
}
ENGINE_SIMT_DEVICE float __int_as_float(int f) {
  return std::bit_cast<float>(f);
}
ENGINE_SIMT_DEVICE float __uint_as_float(unsigned f) {
  return std::bit_cast<float>(f);
}
ENGINE_SIMT_DEVICE int __float2int_rn(float f) {
  return static_cast<int>(std::nearbyint(f));
}

ENGINE_SIMT_DEVICE int __popc(unsigned x) {
  return std::popcount(x);
}
ENGINE_SIMT_DEVICE int __clz(int x) {
  return std::countl_zero(static_cast<unsigned>(x));
}
ENGINE_SIMT_DEVICE int __ffs(int x) {
  return __builtin_ffs(x);
}
ENGINE_SIMT_DEVICE unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>(std::uint64_t{a} * b >> 32);
}
ENGINE_SIMT_DEVICE unsigned __funnelshift_r(unsigned low, unsigned high, unsigned by) {
  return static_cast<unsigned>((std::uint64_t{high} << 32 | low) >> (by & 31));
}

#define ENGINE_SIMT_MIN_MAX(T)         \
  ENGINE_SIMT_DEVICE T min(T a, T b) { \
    return a < b ? a : b;              \
  }                                    \
  ENGINE_SIMT_DEVICE T max(T a, T b) { \
    return a > b ? a : b;              \
  }
ENGINE_SIMT_MIN_MAX(int)
ENGINE_SIMT_MIN_MAX(unsigned)
ENGINE_SIMT_MIN_MAX(long)
ENGINE_SIMT_MIN_MAX(unsigned long)
ENGINE_SIMT_MIN_MAX(long long)
ENGINE_SIMT_MIN_MAX(unsigned long long)
#undef ENGINE_SIMT_MIN_MAX
ENGINE_SIMT_DEVICE float min(float a, float b) {
  return fminf(a, b);
}
ENGINE_SIMT_DEVICE float max(float a, float b) {
  return fmaxf(a, b);
}

// Half and bf16 operations that the toolkit declares only under nvcc.
ENGINE_SIMT_DEVICE __half __hfma(__half a, __half b, __half c) {
  return __float2half(fmaf(__half2float(a), __half2float(b), __half2float(c)));
}
ENGINE_SIMT_DEVICE __nv_bfloat16 __hfma(__nv_bfloat16 a, __nv_bfloat16 b, __nv_bfloat16 c) {
  return __float2bfloat16(fmaf(__bfloat162float(a), __bfloat162float(b), __bfloat162float(c)));
}
ENGINE_SIMT_DEVICE __half2 __hfma2(__half2 a, __half2 b, __half2 c) {
  return __half2(__hfma(__low2half(a), __low2half(b), __low2half(c)),
                 __hfma(__high2half(a), __high2half(b), __high2half(c)));
}
ENGINE_SIMT_DEVICE __nv_bfloat162 __hfma2(__nv_bfloat162 a, __nv_bfloat162 b, __nv_bfloat162 c) {
  return __nv_bfloat162(__hfma(__low2bfloat16(a), __low2bfloat16(b), __low2bfloat16(c)),
                        __hfma(__high2bfloat16(a), __high2bfloat16(b), __high2bfloat16(c)));
}
