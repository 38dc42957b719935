#pragma once

// ENGINE_CPU_CLONES before a function makes the compiler build it three times, for baseline x86-64,
// AVX2 + FMA and AVX-512, and choose when the program is loaded. The function must be a plain one
// (no template, no lambda) with plain loops that vectorise; loop bodies shared between functions go
// into always-inline templates that it calls. Parallel regions stay outside: the compiler moves
// their bodies into functions of their own, which are not cloned.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_THREAD__)
#if __GNUC__ >= 12
#define ENGINE_CPU_CLONES \
  __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
// Version 11 does not choose by x86-64-v3 and v4.
#define ENGINE_CPU_CLONES __attribute__((target_clones("default", "avx2", "avx512f")))
#endif
#else
#define ENGINE_CPU_CLONES
#endif

#define ENGINE_ALWAYS_INLINE inline __attribute__((always_inline))
