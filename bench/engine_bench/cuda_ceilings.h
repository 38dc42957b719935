#pragma once

#include <functional>
#include <string>

#include "bench/engine_bench/math_mode.h"
#include "bench/engine_bench/stopwatch.h"

// What cuda_device.cpp and cublas_rate.cpp, which alone needs cuBLAS, share.
namespace engine::bench {

// Seconds of one call: the median of the last blocks, once they have settled or after `limit`
// seconds.
double settled_seconds(Stopwatch& stopwatch, const std::function<void(const Stream&)>& call,
                       double limit);

// FLOP/s of cuBLAS on a large product, sums in f32.
double cublas_matrix_rate(const Device& device, Stopwatch& stopwatch, MathMode math, double limit);
std::string cublas_version_text();

}  // namespace engine::bench
