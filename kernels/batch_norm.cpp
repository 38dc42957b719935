#include "engine/kernels/batch_norm.h"

#include "engine/core/structural_ops.h"
#include "engine/kernels/binary.h"
#include "engine/kernels/reduce.h"
#include "engine/kernels/unary.h"

namespace engine {
namespace {

// What the three ops share. Inputs other than x and dy are f32 [c].
class BatchNormOp : public Op {
 public:
  explicit BatchNormOp(float epsilon) : epsilon_(epsilon) {}
  std::string attributes() const override { return join("epsilon=", epsilon_); }

 protected:
  // Checks `large` tensors in front and per-channel ones behind.
  void check(std::span<const TensorType> inputs, std::size_t large, std::size_t count) const {
    ENGINE_CHECK(inputs.size() == count, name(), ": takes ", count, " tensors, not ",
                 inputs.size());
    const TensorType& x = inputs[0];
    ENGINE_CHECK(
        x.shape.rank() >= 1 && x.shape[-1] > 0 && (x.dtype == DType::f32 || x.dtype == DType::bf16),
        name(), ": x ", x, " must be f32 or bf16 [..., c]");
    const TensorType channels{{x.shape[-1]}, DType::f32};
    for (std::size_t i = 1; i < count; ++i) {
      const TensorType& wanted = i < large ? x : channels;
      ENGINE_CHECK(inputs[i] == wanted, name(), ": input ", i, " is ", inputs[i], " with x ", x,
                   "; it should be ", wanted);
    }
  }
  cpu::BatchNormProblem problem_of(const TensorType& x) const {
    return {.rows = x.shape.slice(0, x.shape.rank() - 1).elements(),
            .channels = x.shape[-1],
            .dtype = x.dtype,
            .epsilon = epsilon_};
  }

  float epsilon_;
};

class BatchNormBackwardOp final : public BatchNormOp {
 public:
  using BatchNormOp::BatchNormOp;
  std::string_view name() const override { return "batch_norm_backward"; }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    check(inputs, 2, 5);
    return {inputs[0], inputs[2], inputs[2]};
  }
  bool keeps_f32(int input) const override { return input >= 2; }
  std::vector<InPlacePair> in_place() const override { return {{0, 0}, {1, 0}}; }
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override {
    if (context.device.is_cuda())
      return cuda::prepare_batch_norm_backward(problem_of(context.inputs[0]));
    return cpu::prepare_batch_norm_backward(problem_of(context.inputs[0]));
  }
};

class BatchNormTrainingOp final : public BatchNormOp {
 public:
  using BatchNormOp::BatchNormOp;
  std::string_view name() const override { return "batch_norm_training"; }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    check(inputs, 1, 3);
    return {inputs[0], inputs[1], inputs[1]};
  }
  std::vector<Value> gradient(const GradientContext& context) const override {
    const Value& dy = context.output_gradients[0];
    ENGINE_CHECK(!context.output_gradients[1] && !context.output_gradients[2], name(),
                 ": there is no gradient through the statistics");
    return Graph::of(dy).add(
        std::make_shared<BatchNormBackwardOp>(epsilon_),
        {dy, context.inputs[0], context.inputs[1], context.outputs[1], context.outputs[2]},
        "batch_norm_backward");
  }
  bool keeps_f32(int input) const override { return input >= 1; }
  std::vector<InPlacePair> in_place() const override { return {{0, 0}}; }
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override {
    if (context.device.is_cuda())
      return cuda::prepare_batch_norm_training(problem_of(context.inputs[0]));
    return cpu::prepare_batch_norm_training(problem_of(context.inputs[0]));
  }
};

class BatchNormInferenceOp final : public BatchNormOp {
 public:
  using BatchNormOp::BatchNormOp;
  std::string_view name() const override { return "batch_norm_inference"; }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    check(inputs, 1, 5);
    return {inputs[0]};
  }
  std::vector<Value> gradient(const GradientContext& context) const override {
    const auto& in = context.inputs;
    const Value &x = in[0], &scale = in[1], &mean = in[3], &variance = in[4];
    const Value& dy = context.output_gradients[0];
    ENGINE_CHECK(!context.wanted[3] && !context.wanted[4], name(),
                 ": there is no gradient of the statistics");
    const AxisRange leading{.first = 0, .last = x.shape().rank() - 1};
    const Value deviation = sqrt(variance + epsilon_);
    std::vector<Value> result(5);
    if (context.wanted[0]) result[0] = dy * (scale / deviation);
    if (context.wanted[1]) result[1] = sum(dy * (x - mean), leading) / deviation;
    if (context.wanted[2]) result[2] = sum(dy, leading);
    return result;
  }
  bool keeps_f32(int input) const override { return input >= 1; }
  std::vector<InPlacePair> in_place() const override { return {{0, 0}}; }
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override {
    if (context.device.is_cuda())
      return cuda::prepare_batch_norm_inference(problem_of(context.inputs[0]));
    return cpu::prepare_batch_norm_inference(problem_of(context.inputs[0]));
  }
};

void check_epsilon(std::string_view op, float epsilon) {
  ENGINE_CHECK(epsilon > 0, op, ": epsilon ", epsilon, " must be positive");
}

}  // namespace

BatchNormResult batch_norm_training(const Value& x, const Value& scale, const Value& shift,
                                    float epsilon) {
  check_epsilon("batch_norm_training", epsilon);
  const auto outputs = Graph::of(x).add(std::make_shared<BatchNormTrainingOp>(epsilon),
                                        {x, scale, shift}, "batch_norm");
  return {.y = outputs[0], .mean = outputs[1], .variance = outputs[2]};
}

Value batch_norm_inference(const Value& x, const Value& scale, const Value& shift,
                           const Value& mean, const Value& variance, float epsilon) {
  check_epsilon("batch_norm_inference", epsilon);
  return Graph::of(x).add1(std::make_shared<BatchNormInferenceOp>(epsilon),
                           {x, scale, shift, mean, variance}, "batch_norm");
}

}  // namespace engine
