#pragma once

#include <cublasLt.h>

namespace engine::cuda {

// What the library calls of cuBLASLt. It is loaded by the first product that wants it: linked, it
// cost every process 207 MiB and 0.07 s at its start, GPU or not (`style_transfer --version`, CUDA
// 13.0, AMD EPYC Zen 4).
struct CublasLt {
  decltype(&cublasLtCreate) create = nullptr;
  decltype(&cublasLtDestroy) destroy = nullptr;
  decltype(&cublasLtGetStatusString) status_string = nullptr;
  decltype(&cublasLtMatmulDescInit_internal) init_product = nullptr;
  decltype(&cublasLtMatmulDescSetAttribute) set_product = nullptr;
  decltype(&cublasLtMatrixLayoutInit_internal) init_layout = nullptr;
  decltype(&cublasLtMatmulPreferenceInit_internal) init_preference = nullptr;
  decltype(&cublasLtMatmulPreferenceSetAttribute) set_preference = nullptr;
  decltype(&cublasLtMatmulAlgoGetHeuristic) find_algorithms = nullptr;
  decltype(&cublasLtMatmul) matmul = nullptr;
};

// Null where this machine does not have the major version that the library was built with.
const CublasLt* cublaslt();

}  // namespace engine::cuda
