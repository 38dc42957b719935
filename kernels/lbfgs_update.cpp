#include "engine/kernels/lbfgs_update.h"

namespace engine {
namespace {

// Inputs as in LbfgsInputs, outputs as in LbfgsResult.
constexpr int kX = 2, kGradient = 3, kOrigin = 4, kSteps = 7, kChanges = 8, kWords = 9;

class LbfgsUpdateOp final : public Op {
 public:
  explicit LbfgsUpdateOp(const LbfgsUpdate& options) : options_(options) {}

  std::string_view name() const override { return "lbfgs_update"; }
  std::string attributes() const override {
    return join("history=", options_.history,
                " line_search=", options_.line_search == LineSearch::none ? "none" : "strong_wolfe",
                " first_step=", options_.first_step, " most_growth=", options_.most_growth,
                " most_evaluations=", options_.most_evaluations);
  }

  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    ENGINE_CHECK(inputs.size() == 10, name(), ": takes 10 tensors, got ", inputs.size());
    for (const TensorType& type : inputs) {
      ENGINE_CHECK(type.dtype == DType::f32, name(), ": takes f32, not ", type);
    }
    ENGINE_CHECK(inputs[0].shape.elements() == 1 && inputs[1].shape.elements() == 1, name(),
                 ": learning rate ", inputs[0], " and loss ", inputs[1], " must be scalars");
    const TensorType& x = inputs[kX];
    for (int i = kGradient; i < kSteps; ++i) {
      ENGINE_CHECK(inputs[static_cast<std::size_t>(i)] == x, name(), ": input ", i, " is ",
                   inputs[static_cast<std::size_t>(i)], "; it should be as x, ", x);
    }
    const Shape ring{options_.history, x.shape.elements()};
    ENGINE_CHECK(inputs[kSteps].shape == ring && inputs[kChanges].shape == ring, name(), ": steps ",
                 inputs[kSteps], " and changes ", inputs[kChanges], " for x ", x, " must be ",
                 ring);
    ENGINE_CHECK(inputs[kWords].shape == Shape{kLbfgsWords + options_.history}, name(), ": words ",
                 inputs[kWords], " must be [", kLbfgsWords + options_.history, "]");
    std::vector<TensorType> outputs = {x};
    outputs.insert(outputs.end(), inputs.begin() + kOrigin, inputs.end());
    return outputs;
  }

  PrecisionClass precision() const override { return PrecisionClass::f32; }

  std::vector<InPlacePair> in_place() const override {
    std::vector<InPlacePair> pairs = {{kX, 0}};
    for (int i = kOrigin; i <= kWords; ++i) pairs.push_back({i, i - kOrigin + 1});
    return pairs;
  }

  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override {
    if (context.device.is_cuda()) {
      return cuda::prepare_lbfgs_update(options_, context.inputs[kX].shape.elements());
    }
    return cpu::prepare_lbfgs_update(options_, context.inputs[kX].shape.elements());
  }

 private:
  LbfgsUpdate options_;
};

}  // namespace

LbfgsResult lbfgs_update(const LbfgsInputs& inputs, const LbfgsUpdate& options) {
  ENGINE_CHECK(options.history >= 1 && options.history <= 64, "lbfgs_update: history ",
               options.history, " must be 1 to 64");
  ENGINE_CHECK(options.first_step > 0 && options.most_growth > 1 && options.most_evaluations > 2,
               "lbfgs_update: first_step ", options.first_step, ", most_growth ",
               options.most_growth, ", most_evaluations ", options.most_evaluations,
               "; they must be above 0, 1 and 2");
  const std::vector<Value> outputs = Graph::of(inputs.x).add(
      std::make_shared<LbfgsUpdateOp>(options),
      {inputs.learning_rate, inputs.loss, inputs.x, inputs.gradient, inputs.origin,
       inputs.origin_gradient, inputs.direction, inputs.steps, inputs.changes, inputs.words},
      "lbfgs_update");
  return {.x = outputs[0],
          .origin = outputs[1],
          .origin_gradient = outputs[2],
          .direction = outputs[3],
          .steps = outputs[4],
          .changes = outputs[5],
          .words = outputs[6]};
}

}  // namespace engine
