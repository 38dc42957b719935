#pragma once

#include "engine/core/cpu_clones.h"

// ENGINE_HOST_DEVICE before a small inline function makes it one for CUDA kernels and for loops
// that are compiled once for each instruction set (cpu_clones.h).
#ifdef __CUDACC__
#define ENGINE_HOST_DEVICE __host__ __device__ inline
#else
#define ENGINE_HOST_DEVICE ENGINE_ALWAYS_INLINE
#endif
