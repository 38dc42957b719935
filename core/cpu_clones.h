#pragma once

// ENGINE_CPU_CLONES before a function definition compiles it for the baseline, AVX2 + FMA and
// AVX-512, and picks one when the program starts. Such a function is no template and no lambda: put
// the loop into an ENGINE_ALWAYS_INLINE template, write `#pragma omp simd` above it, and clone a
// thin wrapper for each type. OpenMP regions inside a clone lose its instruction set: call clones
// from within parallel_for (parallel.h), never the other way round.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#if __GNUC__ >= 12
#define ENGINE_CPU_CLONES \
  __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else  // g++ 11 does not dispatch on micro-architecture levels
#define ENGINE_CPU_CLONES __attribute__((target_clones("default", "avx2", "avx512f")))
#endif
#else  // the resolvers run before a sanitizer is ready
#define ENGINE_CPU_CLONES
#endif

#define ENGINE_ALWAYS_INLINE [[gnu::always_inline]] inline
