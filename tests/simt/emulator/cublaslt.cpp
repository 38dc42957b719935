#include <bit>
#include <cstring>

#include <cublasLt.h>

#include "device_heap.h"
#include "number_formats.h"
#include "runtime_state.h"
#include "shadow.h"

// The plain twin of what the engine calls of cuBLASLt: column-major products of f32, bf16 or f16
// with f32 sums, enqueued like any other work. Where tf32 is allowed, it drops the low bits.
// Descriptors are told apart from memory that was never initialised; everything that the twin does
// not know, it refuses.
namespace engine::simt {
namespace {

constexpr std::uint64_t kProduct = 0x50726f64, kLayout = 0x4c61796f, kPreference = 0x50726566;
constexpr std::size_t kWorkspace = 1024;  // bytes; used, so that one too small shows

struct Product {
  std::uint64_t magic;
  bool is_tf32;
  cublasOperation_t transpose_a, transpose_b;
  cublasLtEpilogue_t epilogue;
  const float* bias;
};
struct Layout {
  std::uint64_t magic;
  cudaDataType_t type;
  std::int64_t rows, columns, line;
};
struct Preference {
  std::uint64_t magic, workspace;
};

template <class T, class Opaque>
T& as(Opaque* opaque) {
  static_assert(sizeof(T) <= sizeof *opaque);
  return *reinterpret_cast<T*>(opaque);
}

struct Matrix {
  Layout layout;
  char* data;
  bool is_transposed;

  float at(std::int64_t row, std::int64_t column) const {
    const std::int64_t index =
        is_transposed ? column + row * layout.line : row + column * layout.line;
    if (layout.type == CUDA_R_32F) return reinterpret_cast<const float*>(data)[index];
    if (layout.type == CUDA_R_16F)
      return __half2float(reinterpret_cast<const __half*>(data)[index]);
    return __bfloat162float(reinterpret_cast<const __nv_bfloat16*>(data)[index]);
  }
  void set(std::int64_t row, std::int64_t column, float value) const {
    const std::int64_t index = row + column * layout.line;
    if (layout.type == CUDA_R_32F) {
      reinterpret_cast<float*>(data)[index] = value;
    } else if (layout.type == CUDA_R_16F) {
      reinterpret_cast<__half*>(data)[index] = __float2half_rn(value);
    } else {
      reinterpret_cast<__nv_bfloat16*>(data)[index] = __float2bfloat16_rn(value);
    }
  }
  std::size_t bytes() const {
    const auto elements = static_cast<std::size_t>(layout.line * layout.columns);
    return elements * (layout.type == CUDA_R_32F ? 4 : 2);
  }
  bool is_inside() const {
    Allocation allocation;
    return find_allocation(data, allocation) && allocation.live &&
           data + bytes() <= allocation.start + allocation.bytes;
  }
};

bool is_known(const Layout& layout) {
  const bool is_typed =
      layout.type == CUDA_R_32F || layout.type == CUDA_R_16BF || layout.type == CUDA_R_16F;
  return layout.magic == kLayout && is_typed && layout.line >= layout.rows;
}

// Inner extents agree, and D is as large as the product.
bool fits(const Product& product, const Layout& a, const Layout& b, const Layout& d) {
  const bool ta = product.transpose_a == CUBLAS_OP_T, tb = product.transpose_b == CUBLAS_OP_T;
  return product.magic == kProduct && is_known(a) && is_known(b) && is_known(d) &&
         a.type == b.type && (ta ? a.rows : a.columns) == (tb ? b.columns : b.rows) &&
         (ta ? a.columns : a.rows) == d.rows && (tb ? b.rows : b.columns) == d.columns &&
         (product.epilogue == CUBLASLT_EPILOGUE_DEFAULT ||
          (product.epilogue == CUBLASLT_EPILOGUE_BIAS && d.type == CUDA_R_32F));
}

cudaError_t multiply(const Product& product, const Matrix& a, const Matrix& b, const Matrix& d) {
  if (!a.is_inside() || !b.is_inside() || !d.is_inside()) {
    report("out-of-bounds", "cublasLtMatmul: a matrix leaves its allocation");
    return cudaErrorLaunchFailure;
  }
  const std::int64_t terms = a.is_transposed ? a.layout.rows : a.layout.columns;
  for (std::int64_t column = 0; column < d.layout.columns; ++column) {
    for (std::int64_t row = 0; row < d.layout.rows; ++row) {
      float sum = 0;
      for (std::int64_t term = 0; term < terms; ++term) {
        const float left = a.at(row, term), right = b.at(term, column);
        sum += product.is_tf32 ? tf32(std::bit_cast<std::uint32_t>(left)) *
                                     tf32(std::bit_cast<std::uint32_t>(right))
                               : left * right;
      }
      if (product.epilogue == CUBLASLT_EPILOGUE_BIAS) sum += product.bias[row];
      d.set(row, column, sum);
    }
  }
  mark_initialised(d.data, d.bytes());
  return cudaSuccess;
}

}  // namespace
}  // namespace engine::simt

using namespace engine::simt;

extern "C" {

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  *handle = reinterpret_cast<cublasLtHandle_t>(new int(used_device()));
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  delete reinterpret_cast<int*>(handle);
  return CUBLAS_STATUS_SUCCESS;
}
const char* cublasLtGetStatusString(cublasStatus_t status) {
  return status == CUBLAS_STATUS_NOT_SUPPORTED ? "not supported" : "emulated cuBLASLt error";
}

cublasStatus_t cublasLtMatmulDescInit_internal(cublasLtMatmulDesc_t product, size_t,
                                               cublasComputeType_t compute, cudaDataType_t scale) {
  const bool is_tf32 = compute == CUBLAS_COMPUTE_32F_FAST_TF32;
  if ((compute != CUBLAS_COMPUTE_32F && !is_tf32) || scale != CUDA_R_32F) {
    return CUBLAS_STATUS_NOT_SUPPORTED;
  }
  as<Product>(product) = {kProduct, is_tf32, CUBLAS_OP_N, CUBLAS_OP_N, CUBLASLT_EPILOGUE_DEFAULT,
                          nullptr};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t product,
                                              cublasLtMatmulDescAttributes_t attribute,
                                              const void* value, size_t bytes) {
  Product& known = as<Product>(product);
  const auto assign = [&](auto& member) {
    if (known.magic != kProduct || bytes != sizeof member) return CUBLAS_STATUS_INVALID_VALUE;
    std::memcpy(&member, value, bytes);
    return CUBLAS_STATUS_SUCCESS;
  };
  switch (attribute) {
    case CUBLASLT_MATMUL_DESC_TRANSA:
      return assign(known.transpose_a);
    case CUBLASLT_MATMUL_DESC_TRANSB:
      return assign(known.transpose_b);
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
      return assign(known.epilogue);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
      return assign(known.bias);
    default:
      return CUBLAS_STATUS_NOT_SUPPORTED;
  }
}
cublasStatus_t cublasLtMatrixLayoutInit_internal(cublasLtMatrixLayout_t layout, size_t,
                                                 cudaDataType type, uint64_t rows, uint64_t columns,
                                                 int64_t line) {
  as<Layout>(layout) = {kLayout, type, static_cast<std::int64_t>(rows),
                        static_cast<std::int64_t>(columns), line};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceInit_internal(cublasLtMatmulPreference_t preference,
                                                     size_t) {
  as<Preference>(preference) = {kPreference, 0};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t attribute,
                                                    const void* value, size_t) {
  Preference& known = as<Preference>(preference);
  if (known.magic != kPreference) return CUBLAS_STATUS_INVALID_VALUE;
  if (attribute == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES) {
    std::memcpy(&known.workspace, value, sizeof known.workspace);
  }
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t product,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int asked,
                                              cublasLtMatmulHeuristicResult_t results[],
                                              int* count) {
  *count = 0;
  if (asked < 1 || as<Preference>(preference).magic != kPreference ||
      as<Preference>(preference).workspace < kWorkspace ||
      !fits(as<Product>(product), as<Layout>(a), as<Layout>(b), as<Layout>(d))) {
    return CUBLAS_STATUS_NOT_SUPPORTED;
  }
  results[0] = {};
  results[0].workspaceSize = kWorkspace;
  results[0].state = CUBLAS_STATUS_SUCCESS;
  *count = 1;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t product,
                              const void* alpha, const void* a, cublasLtMatrixLayout_t a_layout,
                              const void* b, cublasLtMatrixLayout_t b_layout, const void* beta,
                              const void*, cublasLtMatrixLayout_t, void* d,
                              cublasLtMatrixLayout_t d_layout, const cublasLtMatmulAlgo_t*,
                              void* workspace, size_t workspace_bytes, cudaStream_t stream) {
  const Product known = as<Product>(product);
  if (!fits(known, as<Layout>(a_layout), as<Layout>(b_layout), as<Layout>(d_layout)) ||
      *static_cast<const float*>(alpha) != 1 || *static_cast<const float*>(beta) != 0 ||
      workspace_bytes < kWorkspace) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  const int device = *reinterpret_cast<const int*>(handle);
  if (check_device(device, device_of(stream), "the stream", "the cuBLASLt handle") ||
      check_memory_device(device, d, "the cuBLASLt handle")) {
    return CUBLAS_STATUS_EXECUTION_FAILED;
  }
  const auto matrix = [](const void* data, cublasLtMatrixLayout_t layout, cublasOperation_t op) {
    return Matrix{as<Layout>(layout), static_cast<char*>(const_cast<void*>(data)),
                  op == CUBLAS_OP_T};
  };
  const Matrix left = matrix(a, a_layout, known.transpose_a);
  const Matrix right = matrix(b, b_layout, known.transpose_b);
  const Matrix result = matrix(d, d_layout, CUBLAS_OP_N);
  const cudaError_t error = enqueue(stream, [=] {
    const cudaError_t cleared = [&] {
      Allocation allocation;
      char* const start = static_cast<char*>(workspace);
      if (!find_allocation(start, allocation) || !allocation.live ||
          start + kWorkspace > allocation.start + allocation.bytes) {
        report("out-of-bounds", "cublasLtMatmul: the workspace leaves its allocation");
        return cudaErrorLaunchFailure;
      }
      std::memset(start, 0xff, kWorkspace);
      return cudaSuccess;
    }();
    return cleared == cudaSuccess ? multiply(known, left, right, result) : cleared;
  });
  return error == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}

}  // extern "C"
