// Products on the CPU: oneDNN, and those without terms or without results.
#include "engine/kernels/cpu/onednn.h"
#include "engine/kernels/unary.h"

namespace engine::cpu {
namespace {

template <class T>
void write_sums_of_nothing(const MatmulProblem& problem, Activation activation, const float* bias,
                           T* y) {
  for (std::int64_t row = 0; row < problem.m; ++row) {
    for (std::int64_t column = 0; column < problem.n; ++column) {
      float value = bias == nullptr ? 0 : bias[column];
      if (activation == Activation::relu) value = value < 0 ? 0 : value;
      y[row * problem.n + column] = T(value);
    }
  }
}

// An empty tensor, or, when k is 0, sums of no terms: the bias alone.
std::unique_ptr<Kernel> prepare_empty(const MatmulProblem& problem, Activation activation,
                                      const PrepareContext& context) {
  const bool has_bias = context.inputs.size() > 2;
  const DType dtype = context.outputs[0].dtype;
  ENGINE_CHECK(dtype == DType::f32 || dtype == DType::bf16, "matmul: no ", dtype, " kernel for ",
               context.device, "; use f32 or bf16");
  return make_kernel(
      [=](const Stream&, const Buffers& buffers) {
        const float* bias = has_bias ? buffers.in<float>(2) : nullptr;
        if (dtype == DType::f32) {
          write_sums_of_nothing(problem, activation, bias, buffers.out<float>(0));
        } else {
          write_sums_of_nothing(problem, activation, bias, buffers.out<BFloat16>(0));
        }
      },
      0, "empty product");
}

// oneDNN's own relu turns NaN into 0. Ours keeps it, and a pass over y costs little beside the k
// products behind each of its elements.
class MatmulThenRelu final : public Kernel {
 public:
  MatmulThenRelu(std::unique_ptr<Kernel> product, std::unique_ptr<Kernel> relu)
      : product_(std::move(product)), relu_(std::move(relu)) {}

  std::int64_t scratch_bytes() const override { return product_->scratch_bytes(); }
  std::int64_t packed_bytes() const override { return product_->packed_bytes(); }
  std::string describe() const override { return product_->describe() + ", then relu"; }

  void run(const Stream& stream, const Buffers& buffers) override {
    product_->run(stream, buffers);
    const void* const y = buffers.outputs[0];
    relu_->run(stream, {.inputs = {&y, 1}, .outputs = buffers.outputs});
  }

 private:
  std::unique_ptr<Kernel> product_, relu_;
};

}  // namespace

std::unique_ptr<Kernel> prepare_matmul(const MatmulProblem& problem, Activation activation,
                                       const PrepareContext& context) {
  if (problem.m == 0 || problem.k == 0 || problem.n == 0) {
    return prepare_empty(problem, activation, context);
  }
  std::unique_ptr<Kernel> product = onednn_matmul(problem, context);
  if (activation == Activation::none) return product;
  return std::make_unique<MatmulThenRelu>(std::move(product),
                                          prepare_unary(UnaryMember::relu, context.outputs[0]));
}

std::unique_ptr<Kernel> prepare_matmul_into_sum(const MatmulProblem& problem,
                                                const PrepareContext& context) {
  return onednn_matmul(problem, context, true);
}

}  // namespace engine::cpu
