#include "engine/kernels/conv2d_algorithms.h"

#include <algorithm>

#include "engine/core/memory_plan.h"
#include "engine/core/structural_kernels.h"

namespace engine::cuda {
namespace {

std::unique_ptr<Kernel> prepare_mma(const Conv2dPlan& plan, const PrepareContext& context) {
  switch (plan.direction) {
    case Conv2dDirection::forward:
      return prepare_conv2d_mma_forward(plan, context);
    case Conv2dDirection::backward_data:
      return prepare_conv2d_mma_backward_data(plan, context);
    case Conv2dDirection::backward_weights:
      return prepare_conv2d_mma_backward_weights(plan, context);
  }
  return nullptr;
}

Conv2dQuery query_of(const Conv2dPlan& plan, const PrepareContext& context) {
  return {.direction = plan.direction,
          .problem = plan.problem,
          .dtype = context.inputs[0].dtype,
          .gpu = gpu_of(context.device),
          .allows_tf32 = context.allows_tf32};
}

// A kernel that copies 16 bytes at once, and the plain one for tensors that begin elsewhere.
class WhereAligned final : public Kernel {
 public:
  WhereAligned(std::unique_ptr<Kernel> fast, Conv2dPlan plan, const PrepareContext& context)
      : fast_(std::move(fast)) {
    plan.choice = choose_conv2d_plain(query_of(plan, context));
    plain_ = prepare_conv2d_plain(plan, context);
  }

  std::int64_t scratch_bytes() const override {
    return std::max(fast_->scratch_bytes(), plain_->scratch_bytes());
  }
  std::string describe() const override { return fast_->describe(); }

  void run(const Stream& stream, const Buffers& buffers) override {
    const auto is_aligned = [](const void* data) {
      return reinterpret_cast<std::uintptr_t>(data) % 16 == 0;
    };
    const bool all = is_aligned(buffers.inputs[0]) && is_aligned(buffers.inputs[1]) &&
                     is_aligned(buffers.outputs[0]);
    (all ? *fast_ : *plain_).run(stream, buffers);
  }

 private:
  std::unique_ptr<Kernel> fast_, plain_;
};

std::unique_ptr<Kernel> prepare_algorithm(const Conv2dPlan& plan, const PrepareContext& context) {
  switch (plan.choice.algorithm) {
    case Conv2dAlgorithm::plain:
      return prepare_conv2d_plain(plan, context);
    case Conv2dAlgorithm::few_channels:
      return prepare_conv2d_few_channels(plan, context);
    case Conv2dAlgorithm::depthwise:
      return prepare_conv2d_depthwise(plan, context);
    case Conv2dAlgorithm::mma:
      return std::make_unique<WhereAligned>(prepare_mma(plan, context), plan, context);
    case Conv2dAlgorithm::wgmma:
      return std::make_unique<WhereAligned>(prepare_conv2d_wgmma_forward(plan, context), plan,
                                            context);
  }
  return nullptr;
}

// f32 weights with narrower data: rounded into scratch in each run, then used like weights of the
// data's type. (In training the precision pass has made that copy once for all that read it.)
class RoundedWeights final : public Kernel {
 public:
  RoundedWeights(const Conv2dPlan& plan, const PrepareContext& context)
      : rounded_{context.inputs[1].shape, context.inputs[0].dtype} {
    cast_ = prepare_cast({.device = context.device,
                          .inputs = context.inputs.subspan(1, 1),
                          .outputs = {&rounded_, 1},
                          .frozen = {}});
    std::vector<TensorType> inputs(context.inputs.begin(), context.inputs.end());
    inputs[1] = rounded_;
    product_ = prepare_algorithm(
        plan,
        {.device = context.device, .inputs = inputs, .outputs = context.outputs, .frozen = {}});
  }

  std::int64_t scratch_bytes() const override {
    return aligned(rounded_.bytes()) + product_->scratch_bytes();
  }
  std::string describe() const override { return product_->describe() + ", rounds weights"; }

  void run(const Stream& stream, const Buffers& buffers) override {
    void* weights = buffers.scratch;
    cast_->run(stream, {.inputs = buffers.inputs.subspan(1, 1), .outputs = {&weights, 1}});
    const void* inputs[3] = {buffers.inputs[0], weights};
    if (buffers.inputs.size() > 2) inputs[2] = buffers.inputs[2];
    product_->run(stream,
                  {.inputs = {inputs, buffers.inputs.size()},
                   .outputs = buffers.outputs,
                   .scratch = static_cast<char*>(buffers.scratch) + aligned(rounded_.bytes())});
  }

 private:
  TensorType rounded_;
  std::unique_ptr<Kernel> cast_, product_;
};

std::unique_ptr<Kernel> prepare(Conv2dDirection direction, const Conv2dProblem& problem,
                                Activation activation, const PrepareContext& context) {
  Conv2dPlan plan{
      .direction = direction, .problem = problem, .activation = activation, .choice = {}};
  plan.choice = choose_conv2d(query_of(plan, context));
  return prepare_conv2d_as(plan, context);
}

}  // namespace

std::unique_ptr<Kernel> prepare_conv2d_as(const Conv2dPlan& plan, const PrepareContext& context) {
  const bool rounds = plan.direction != Conv2dDirection::backward_weights &&
                      context.inputs[1].dtype != context.inputs[0].dtype;
  if (rounds) return std::make_unique<RoundedWeights>(plan, context);
  return prepare_algorithm(plan, context);
}

std::unique_ptr<Kernel> prepare_conv2d(const Conv2dProblem& problem, Activation activation,
                                       const PrepareContext& context) {
  return prepare(Conv2dDirection::forward, problem, activation, context);
}

std::unique_ptr<Kernel> prepare_conv2d_backward_data(const Conv2dProblem& problem,
                                                     const PrepareContext& context) {
  return prepare(Conv2dDirection::backward_data, problem, Activation::none, context);
}

std::unique_ptr<Kernel> prepare_conv2d_backward_weights(const Conv2dProblem& problem,
                                                        const PrepareContext& context) {
  return prepare(Conv2dDirection::backward_weights, problem, Activation::none, context);
}

}  // namespace engine::cuda
