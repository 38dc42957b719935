// Both directions are one product over x seen as [rows, channels]: bound by multiply-adds for wide
// x and by reading x for narrow x.
#include "engine/kernels/gram.h"

#include <array>
#include <cstring>

#include "engine/core/memory_plan.h"
#include "engine/core/structural_ops.h"
#include "engine/kernels/cpu/gram_panels.h"
#include "engine/kernels/matmul.h"

namespace engine {
namespace {

GramProblem problem_of(std::string_view op, const TensorType& x, float scale) {
  ENGINE_CHECK(x.shape.rank() >= 2 && x.shape[-1] > 0, op, ": x ", x,
               " must be [..., channels] with at least two axes and one channel");
  ENGINE_CHECK(x.dtype == DType::f32 || x.dtype == DType::bf16, op, ": takes f32 or bf16, not ", x);
  return {.rows = x.shape.slice(0, x.shape.rank() - 1).elements(),
          .channels = x.shape[-1],
          .scale = scale};
}

Cost cost_of(const GramProblem& problem, Cost cost) {
  cost.flops = 2 * problem.rows * problem.channels * problem.channels;
  return cost;
}

// The kernel of a @ b with these types.
std::unique_ptr<Kernel> product_kernel(const TensorType& a, const TensorType& b,
                                       const MatmulOptions& options,
                                       const PrepareContext& context) {
  const MatmulOp op(options);
  const std::array inputs = {a, b};
  const std::vector<TensorType> outputs = op.infer(inputs);
  return op.prepare({context.device, inputs, outputs, {}, context.allows_tf32});
}

// The kernel of y += a @ b.
std::unique_ptr<Kernel> product_into_sum(const TensorType& a, const TensorType& b,
                                         const Device& device) {
  const std::array inputs = {a, b};
  const std::array outputs = {a};
  return cpu::prepare_matmul_into_sum(matmul_problem(a.shape, b.shape, {}),
                                      {device, inputs, outputs, {}});
}

class GramKernel final : public Kernel {
 public:
  GramKernel(const GramProblem& problem, const PrepareContext& context)
      : problem_(problem), scale_(context.device.is_cuda() ? cuda::gram_scale : cpu::gram_scale) {
    const TensorType x{{problem.rows, problem.channels}, context.inputs[0].dtype};
    product_ = product_kernel(x, x, {.transpose_a = true, .f32_output = true}, context);
  }
  std::int64_t scratch_bytes() const override { return product_->scratch_bytes(); }
  std::string describe() const override { return product_->describe(); }
  void run(const Stream& stream, const Buffers& buffers) override {
    const std::array pair = {buffers.inputs[0], buffers.inputs[0]};
    product_->run(stream, {pair, buffers.outputs, buffers.scratch});
    if (problem_.scale != 1) scale_(stream, problem_, buffers.out<float>(0));
  }

 private:
  GramProblem problem_;
  decltype(&cpu::gram_scale) scale_;
  std::unique_ptr<Kernel> product_;
};

// dx = x S with S = scale (dy + dy^T), which lies at the front of the scratch.
class GramBackwardKernel final : public Kernel {
 public:
  GramBackwardKernel(const GramProblem& problem, bool adds, const PrepareContext& context)
      : problem_(problem),
        adds_(adds),
        dtype_(context.inputs[1].dtype),
        symmetric_sum_(context.device.is_cuda() ? cuda::gram_symmetric_sum
                                                : cpu::gram_symmetric_sum) {
    const TensorType x{{problem.rows, problem.channels}, dtype_};
    const TensorType sum{{problem.channels, problem.channels}, dtype_};
    sum_bytes_ = aligned(sum.bytes());
    product_ =
        adds ? product_into_sum(x, sum, context.device) : product_kernel(x, sum, {}, context);
  }
  std::int64_t scratch_bytes() const override { return sum_bytes_ + product_->scratch_bytes(); }
  std::string describe() const override { return product_->describe(); }
  void run(const Stream& stream, const Buffers& buffers) override {
    symmetric_sum_(stream, problem_, buffers.in<float>(0), dtype_, buffers.scratch);
    if (adds_ && buffers.inputs[2] != buffers.outputs[0]) {
      std::memcpy(buffers.outputs[0], buffers.inputs[2],
                  static_cast<std::size_t>(problem_.rows * problem_.channels * size_of(dtype_)));
    }
    const std::array pair = {buffers.inputs[1], static_cast<const void*>(buffers.scratch)};
    product_->run(stream,
                  {pair, buffers.outputs, static_cast<char*>(buffers.scratch) + sum_bytes_});
  }

 private:
  GramProblem problem_;
  bool adds_;
  DType dtype_;
  decltype(&cpu::gram_symmetric_sum) symmetric_sum_;
  std::int64_t sum_bytes_ = 0;
  std::unique_ptr<Kernel> product_;
};

class GramOp final : public Op {
 public:
  explicit GramOp(float scale) : scale_(scale) {}
  std::string_view name() const override { return "gram"; }
  std::string attributes() const override { return join("scale=", scale_); }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    ENGINE_CHECK(inputs.size() == 1, name(), ": takes one tensor, got ", inputs.size());
    const GramProblem problem = problem_of(name(), inputs[0], scale_);
    return {{{problem.channels, problem.channels}, DType::f32}};
  }
  std::vector<Value> gradient(const GradientContext& context) const override {
    const Value &x = context.inputs[0], &dy = context.output_gradients[0];
    return {Graph::of(x).add1(std::make_shared<GramBackwardOp>(scale_), {dy, x}, "gram_backward")};
  }
  PrecisionClass precision() const override { return PrecisionClass::matrix; }
  Cost cost(std::span<const TensorType> inputs,
            std::span<const TensorType> outputs) const override {
    return cost_of(problem_of(name(), inputs[0], scale_), Op::cost(inputs, outputs));
  }
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override {
    const GramProblem problem = problem_of(name(), context.inputs[0], scale_);
    if (context.device.is_cpu() && cpu::gram_panels_are_faster(problem, context.inputs[0].dtype)) {
      return cpu::gram_by_panels(problem, context);
    }
    return std::make_unique<GramKernel>(problem, context);
  }

 private:
  float scale_;
};

}  // namespace

std::string GramBackwardOp::attributes() const {
  return join("scale=", scale_, adds_ ? " adds" : "");
}

std::vector<TensorType> GramBackwardOp::infer(std::span<const TensorType> inputs) const {
  ENGINE_CHECK(inputs.size() == (adds_ ? 3 : 2), name(), ": takes dy, x",
               adds_ ? " and what it adds to" : "", ", got ", inputs.size(), " inputs");
  const GramProblem problem = problem_of(name(), inputs[1], scale_);
  const TensorType wanted{{problem.channels, problem.channels}, DType::f32};
  ENGINE_CHECK(inputs[0] == wanted, name(), ": dy ", inputs[0], " for x ", inputs[1],
               "; it should be ", wanted);
  ENGINE_CHECK(!adds_ || inputs[2] == inputs[1], name(), ": cannot add a gradient of x ", inputs[1],
               " to ", inputs.back());
  return {inputs[1]};
}

std::vector<InPlacePair> GramBackwardOp::in_place() const {
  return adds_ ? std::vector<InPlacePair>{{2, 0}} : std::vector<InPlacePair>{};
}

Cost GramBackwardOp::cost(std::span<const TensorType> inputs,
                          std::span<const TensorType> outputs) const {
  return cost_of(problem_of(name(), inputs[1], scale_), Op::cost(inputs, outputs));
}

std::unique_ptr<Kernel> GramBackwardOp::prepare(const PrepareContext& context) const {
  ENGINE_CHECK(!adds_ || context.device.is_cpu(), name(), ": adds on the CPU only");
  const GramProblem problem = problem_of(name(), context.inputs[1], scale_);
  if (context.device.is_cpu() && cpu::gram_panels_are_faster(problem, context.inputs[1].dtype)) {
    return cpu::gram_backward_by_panels(problem, adds_, context);
  }
  return std::make_unique<GramBackwardKernel>(problem, adds_, context);
}

Value gram(const Value& x, float scale) {
  return Graph::of(x).add1(std::make_shared<GramOp>(scale), {x}, "gram");
}

}  // namespace engine
