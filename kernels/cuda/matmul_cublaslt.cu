// Products by cuBLASLt, where it is there and faster than our kernels: dense and large.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "engine/core/cuda/device_guard.h"
#include "engine/core/cuda/handles.h"
#include "engine/core/memory_plan.h"
#include "engine/kernels/cuda/cublaslt.h"
#include "engine/kernels/cuda/matmul_epilogue.h"

namespace engine::cuda {

namespace {

constexpr std::uint64_t kMostWorkspace = std::uint64_t{32} << 20;  // bytes
constexpr std::uint32_t kAlignment = 16;                           // bytes, of a, b and y

void check(cublasStatus_t status, const char* call) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw CudaError(join("cuda: ", call, ": ", cublaslt()->status_string(status)));
}

cudaError_t destroy_cublaslt(cublasLtHandle_t handle) {
  return cublaslt()->destroy(handle) == CUBLAS_STATUS_SUCCESS ? cudaSuccess : cudaErrorUnknown;
}
using UniqueCublasLt = UniqueHandle<cublasLtHandle_t, destroy_cublaslt>;

cudaDataType_t type_of(DType dtype) {
  return dtype == DType::f32 ? CUDA_R_32F : dtype == DType::f16 ? CUDA_R_16F : CUDA_R_16BF;
}

template <class T>
void set(cublasLtMatmulDescOpaque_t& product, cublasLtMatmulDescAttributes_t attribute, T value) {
  check(cublaslt()->set_product(&product, attribute, &value, sizeof value),
        "cublasLtMatmulDescSetAttribute");
}
template <class T>
void set(cublasLtMatmulPreferenceOpaque_t& preference, cublasLtMatmulPreferenceAttributes_t what,
         T value) {
  check(cublaslt()->set_preference(&preference, what, &value, sizeof value),
        "cublasLtMatmulPreferenceSetAttribute");
}

bool is_aligned(const void* pointer) {
  return reinterpret_cast<std::uintptr_t>(pointer) % kAlignment == 0;
}

// What cuBLASLt is told, and the algorithm that it then recommends. Its matrices are column-major:
// it makes y^T [n, m] = op(b)^T op(a)^T, so that its first operand is our b.
class Plan {
 public:
  Plan(const MatmulProblem& problem, DType in, DType out, bool has_bias, bool allows_tf32) {
    check(library_.create(handle_.out()), "cublasLtCreate");
    const cublasComputeType_t compute =
        in == DType::f32 && allows_tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
    check(library_.init_product(&product_, sizeof product_, compute, CUDA_R_32F),
          "cublasLtMatmulDescInit");
    const bool ta = problem.options.transpose_a, tb = problem.options.transpose_b;
    set(product_, CUBLASLT_MATMUL_DESC_TRANSA, tb ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(product_, CUBLASLT_MATMUL_DESC_TRANSB, ta ? CUBLAS_OP_T : CUBLAS_OP_N);
    if (has_bias) set(product_, CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
    const auto describe = [this](cublasLtMatrixLayoutOpaque_t& layout, DType dtype,
                                 std::int64_t rows, std::int64_t columns) {
      check(library_.init_layout(&layout, sizeof layout, type_of(dtype),
                                 static_cast<std::uint64_t>(rows),
                                 static_cast<std::uint64_t>(columns), rows),
            "cublasLtMatrixLayoutInit");
    };
    describe(b_, in, tb ? problem.k : problem.n, tb ? problem.n : problem.k);
    describe(a_, in, ta ? problem.m : problem.k, ta ? problem.k : problem.m);
    describe(y_, out, problem.n, problem.m);
    is_found_ = find_algorithm();
  }

  bool is_found() const { return is_found_; }
  std::int64_t workspace_bytes() const { return static_cast<std::int64_t>(found_.workspaceSize); }

  void run(const void* a, const void* b, const float* bias, void* y, void* workspace,
           cudaStream_t stream) const {
    const float one = 1, zero = 0;
    cublasLtMatmulDescOpaque_t product = product_;
    cublasLtMatrixLayoutOpaque_t a_layout = a_, b_layout = b_, y_layout = y_;
    if (bias != nullptr) set(product, CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
    check(library_.matmul(handle_.get(), &product, &one, b, &b_layout, a, &a_layout, &zero, y,
                          &y_layout, y, &y_layout, &found_.algo, workspace, found_.workspaceSize,
                          stream),
          "cublasLtMatmul");
  }

 private:
  // Algorithms that split k add their parts in a fixed order, through the workspace.
  bool find_algorithm() {
    cublasLtMatmulPreferenceOpaque_t preference;
    check(library_.init_preference(&preference, sizeof preference), "cublasLtMatmulPreferenceInit");
    set(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kMostWorkspace);
    set(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
        static_cast<std::uint32_t>(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
    set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, kAlignment);
    set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, kAlignment);
    set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, kAlignment);
    set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, kAlignment);
    int count = 0;
    const cublasStatus_t status = library_.find_algorithms(handle_.get(), &product_, &b_, &a_, &y_,
                                                           &y_, &preference, 1, &found_, &count);
    if (status == CUBLAS_STATUS_NOT_SUPPORTED) return false;
    check(status, "cublasLtMatmulAlgoGetHeuristic");
    return count > 0 && found_.state == CUBLAS_STATUS_SUCCESS;
  }

  const CublasLt& library_ = *cublaslt();
  UniqueCublasLt handle_;
  cublasLtMatmulDescOpaque_t product_ = {};
  cublasLtMatrixLayoutOpaque_t a_ = {}, b_ = {}, y_ = {};
  cublasLtMatmulHeuristicResult_t found_ = {};
  bool is_found_ = false;
};

// Its relu may turn NaN into 0, and a narrow result takes no f32 bias: such products go to scratch
// in f32, and a pass of ours does the rest.
bool needs_pass(Activation activation, bool has_bias, DType out) {
  return activation != Activation::none || (has_bias && out != DType::f32);
}

// A handle of its own for each kernel: there are few (only large products come here), and one may
// be used by one thread at a time only.
class CublasLtProduct final : public Kernel {
 public:
  CublasLtProduct(const MatmulProblem& problem, Activation activation,
                  const PrepareContext& context, std::unique_ptr<Kernel> instead)
      : problem_(problem),
        activation_(activation),
        out_(context.outputs[0].dtype),
        has_bias_(context.inputs.size() > 2),
        needs_pass_(needs_pass(activation, has_bias_, out_)),
        plan_(problem, context.inputs[0].dtype, needs_pass_ ? DType::f32 : out_,
              has_bias_ && !needs_pass_, context.allows_tf32),
        instead_(std::move(instead)) {}

  std::int64_t scratch_bytes() const override {
    if (!plan_.is_found()) return instead_->scratch_bytes();
    return std::max(sum_bytes() + plan_.workspace_bytes(), instead_->scratch_bytes());
  }
  std::string describe() const override {
    return plan_.is_found() ? "cublaslt" : instead_->describe();
  }

  void run(const Stream& stream, const Buffers& buffers) override {
    const void *a = buffers.inputs[0], *b = buffers.inputs[1];
    void* const y = needs_pass_ ? buffers.scratch : buffers.outputs[0];
    if (!plan_.is_found() || !is_aligned(a) || !is_aligned(b) || !is_aligned(y)) {
      instead_->run(stream, buffers);
      return;
    }
    const float* bias = has_bias_ && !needs_pass_ ? buffers.in<float>(2) : nullptr;
    char* const workspace = static_cast<char*>(buffers.scratch) + sum_bytes();
    plan_.run(a, b, bias, y, workspace, stream_of(stream));
    if (!needs_pass_) return;
    MatmulOutput output = matmul_output(problem_, activation_, {}, out_, buffers);
    output.parts = static_cast<float*>(y);
    launch_matmul_add_parts(output, 1, stream_of(stream));
  }

 private:
  std::int64_t sum_bytes() const {
    const auto bytes = problem_.m * problem_.n * static_cast<std::int64_t>(sizeof(float));
    return needs_pass_ ? aligned(bytes) : 0;
  }

  MatmulProblem problem_;
  Activation activation_;
  DType out_;
  bool has_bias_, needs_pass_;
  Plan plan_;
  std::unique_ptr<Kernel> instead_;  // for what cuBLASLt refuses, and for unaligned tensors
};

}  // namespace

std::unique_ptr<Kernel> prepare_matmul_cublaslt(const MatmulProblem& problem, Activation activation,
                                                const PrepareContext& context,
                                                std::unique_ptr<Kernel> instead) {
  if (problem.m == 0 || problem.k == 0 || problem.n == 0 || cublaslt() == nullptr) return instead;
  const DeviceGuard guard(context.device.index());
  return std::make_unique<CublasLtProduct>(problem, activation, context, std::move(instead));
}

}  // namespace engine::cuda
