// Both directions are one product (oneDNN) over x seen as [rows, channels], bound by the
// processor's multiply-adds for wide x and by reading x for narrow x.
#include "engine/kernels/gram.h"

#include <array>
#include <cstring>

#include "engine/core/cpu/simd.h"
#include "engine/core/memory_plan.h"
#include "engine/kernels/matmul.h"

namespace engine::cpu {
namespace {

// The kernel of a @ b with these types.
std::unique_ptr<Kernel> product_kernel(const TensorType& a, const TensorType& b,
                                       const MatmulOptions& options, const Device& device) {
  const std::array inputs = {a, b};
  const std::vector<TensorType> outputs = MatmulOp(options).infer(inputs);
  return prepare_matmul(matmul_problem(a.shape, b.shape, options), Activation::none,
                        {device, inputs, outputs, {}});
}

class GramKernel final : public Kernel {
 public:
  GramKernel(const GramProblem& problem, const PrepareContext& context) : problem_(problem) {
    const TensorType x{{problem.rows, problem.channels}, context.inputs[0].dtype};
    product_ = product_kernel(x, x, {.transpose_a = true, .f32_output = true}, context.device);
  }
  std::int64_t scratch_bytes() const override { return product_->scratch_bytes(); }
  std::string describe() const override { return product_->describe(); }
  void run(const Stream& stream, const Buffers& buffers) override {
    const std::array pair = {buffers.inputs[0], buffers.inputs[0]};
    product_->run(stream, {pair, buffers.outputs, buffers.scratch});
    float* y = buffers.out<float>(0);
    const std::int64_t count = problem_.channels * problem_.channels;
    for (std::int64_t i = 0; i < count; ++i) y[i] *= problem_.scale;
  }

 private:
  GramProblem problem_;
  std::unique_ptr<Kernel> product_;
};

template <class T>
void symmetric_sum(const GramProblem& problem, const float* dy, T* sum) {
  const std::int64_t c = problem.channels;
  for (std::int64_t i = 0; i < c; ++i) {
    for (std::int64_t j = 0; j < c; ++j) {
      sum[i * c + j] = store<T>(problem.scale * (dy[i * c + j] + dy[j * c + i]));
    }
  }
}

// dx = x S with S = scale (dy + dy^T), which lies at the front of the scratch.
class GramBackwardKernel final : public Kernel {
 public:
  GramBackwardKernel(const GramProblem& problem, const PrepareContext& context)
      : problem_(problem), dtype_(context.inputs[1].dtype) {
    const TensorType x{{problem.rows, problem.channels}, dtype_};
    const TensorType sum{{problem.channels, problem.channels}, dtype_};
    sum_bytes_ = aligned(sum.bytes());
    product_ = product_kernel(x, sum, {}, context.device);
  }
  std::int64_t scratch_bytes() const override { return sum_bytes_ + product_->scratch_bytes(); }
  std::string describe() const override { return product_->describe(); }
  void run(const Stream& stream, const Buffers& buffers) override {
    if (dtype_ == DType::f32) {
      symmetric_sum(problem_, buffers.in<float>(0), static_cast<float*>(buffers.scratch));
    } else {
      symmetric_sum(problem_, buffers.in<float>(0), static_cast<BFloat16*>(buffers.scratch));
    }
    const std::array pair = {buffers.inputs[1], static_cast<const void*>(buffers.scratch)};
    product_->run(stream,
                  {pair, buffers.outputs, static_cast<char*>(buffers.scratch) + sum_bytes_});
  }

 private:
  GramProblem problem_;
  DType dtype_;
  std::int64_t sum_bytes_ = 0;
  std::unique_ptr<Kernel> product_;
};

}  // namespace

std::unique_ptr<Kernel> prepare_gram(const GramProblem& problem, const PrepareContext& context) {
  return std::make_unique<GramKernel>(problem, context);
}

std::unique_ptr<Kernel> prepare_gram_backward(const GramProblem& problem,
                                              const PrepareContext& context) {
  return std::make_unique<GramBackwardKernel>(problem, context);
}

}  // namespace engine::cpu
