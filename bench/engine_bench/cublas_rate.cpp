#include <memory>

#include <cublas_v2.h>

#include "bench/engine_bench/buffers.h"
#include "bench/engine_bench/cuda_ceilings.h"
#include "engine/core/errors.h"
#include "engine/core/tensor.h"

namespace engine::bench {
namespace {

void check(cublasStatus_t status, const char* call) {
  if (status != CUBLAS_STATUS_SUCCESS) {
    throw CudaError(join(call, ": ", cublasGetStatusString(status)));
  }
}

cudaDataType_t type_of(DType dtype) {
  return dtype == DType::bf16 ? CUDA_R_16BF : dtype == DType::f16 ? CUDA_R_16F : CUDA_R_32F;
}

}  // namespace

double cublas_matrix_rate(const Device& device, Stopwatch& stopwatch, MathMode math, double limit) {
  const int extent = math == MathMode::f32 ? 4096 : 8192;
  const DType dtype = storage_of(math);
  cublasHandle_t handle = nullptr;
  check(cublasCreate(&handle), "cublasCreate");
  const std::unique_ptr<cublasContext, cublasStatus_t (*)(cublasHandle_t)> owner(handle,
                                                                                 cublasDestroy);
  const Tensor a = random_tensor({{extent, extent}, dtype}, 1, math).to(device);
  const Tensor b = random_tensor({{extent, extent}, dtype}, 2, math).to(device);
  const Tensor c = Tensor::empty({extent, extent}, dtype, device);
  const cudaDataType_t type = type_of(dtype);
  const cublasComputeType_t compute =
      math == MathMode::tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
  const float one = 1, zero = 0;
  const double seconds = settled_seconds(
      stopwatch,
      [&](const Stream& stream) {
        check(cublasSetStream(handle, static_cast<cudaStream_t>(stream.native_handle())),
              "cublasSetStream");
        check(cublasGemmEx(handle, CUBLAS_OP_T, CUBLAS_OP_N, extent, extent, extent, &one, a.data(),
                           type, extent, b.data(), type, extent, &zero, c.data(), type, extent,
                           compute, CUBLAS_GEMM_DEFAULT),
              "cublasGemmEx");
      },
      limit);
  return 2.0 * extent * extent * extent / seconds;
}

std::string cublas_version_text() {
  return join(CUBLAS_VER_MAJOR, '.', CUBLAS_VER_MINOR, '.', CUBLAS_VER_PATCH);
}

}  // namespace engine::bench
