// The emulator has no cuBLAS to measure with, and no rate would mean anything.
#include "bench/engine_bench/cuda_ceilings.h"

namespace engine::bench {

double cublas_matrix_rate(const Device&, Stopwatch&, MathMode, double) {
  return 0;
}

std::string cublas_version_text() {
  return "none: emulated";
}

}  // namespace engine::bench
