// Stands in for kernels/cuda/cublaslt.cu: the emulator's twin is linked, not loaded.
#include "engine/kernels/cuda/cublaslt.h"

namespace engine::cuda {

const CublasLt* cublaslt() {
  static const CublasLt linked = {.create = cublasLtCreate,
                                  .destroy = cublasLtDestroy,
                                  .status_string = cublasLtGetStatusString,
                                  .init_product = cublasLtMatmulDescInit_internal,
                                  .set_product = cublasLtMatmulDescSetAttribute,
                                  .init_layout = cublasLtMatrixLayoutInit_internal,
                                  .init_preference = cublasLtMatmulPreferenceInit_internal,
                                  .set_preference = cublasLtMatmulPreferenceSetAttribute,
                                  .find_algorithms = cublasLtMatmulAlgoGetHeuristic,
                                  .matmul = cublasLtMatmul};
  return &linked;
}

}  // namespace engine::cuda
