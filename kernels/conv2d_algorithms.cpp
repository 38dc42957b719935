#include "engine/kernels/conv2d_algorithms.h"

#include "engine/core/memory_plan.h"
#include "engine/core/structural_kernels.h"

namespace engine::cuda {
namespace {

std::unique_ptr<Kernel> prepare_algorithm(const Conv2dPlan& plan, const PrepareContext& context) {
  switch (plan.choice.algorithm) {
    case Conv2dAlgorithm::plain:
      return prepare_conv2d_plain(plan, context);
    case Conv2dAlgorithm::few_channels:
      return prepare_conv2d_few_channels(plan, context);
    case Conv2dAlgorithm::depthwise:
      return prepare_conv2d_depthwise(plan, context);
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
  const Conv2dChoice choice =
      choose_conv2d(direction, problem, context.inputs[0].dtype, gpu_of(context.device));
  return prepare_conv2d_as(
      {.direction = direction, .problem = problem, .activation = activation, .choice = choice},
      context);
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
