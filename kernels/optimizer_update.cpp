#include "engine/kernels/optimizer_update.h"

#include "engine/kernels/cpu/optimizer_update.h"

namespace engine {
namespace {

constexpr int kScalars = 3;  // learning rate, gradient scale, clock: before the lists

// An update of `count` parameters with `slots` slots each. Inputs: the scalars, then parameters,
// gradients and each kind of slot in turn; outputs: parameters and slots.
class UpdateOp : public Op {
 public:
  UpdateOp(int count, int slots) : count_(count), slots_(slots) {}

  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    const auto is_scalar = [&](int i) {
      return inputs[i].dtype == DType::f32 && inputs[i].shape.elements() == 1;
    };
    ENGINE_CHECK(is_scalar(0) && is_scalar(1) && (inputs[2] == TensorType{{4}, DType::i32}), name(),
                 ": learning rate ", inputs[0], ", gradient scale ", inputs[1], ", clock ",
                 inputs[2], "; they must be one f32 each, and i32[4]");
    std::vector<TensorType> outputs;
    for (int kind = 0; kind < 2 + slots_; ++kind) {
      for (int i = 0; i < count_; ++i) {
        const TensorType& parameter = inputs[kScalars + i];
        const TensorType& type = inputs[kScalars + kind * count_ + i];
        ENGINE_CHECK(type == parameter && type.dtype == DType::f32, name(), ": parameter ", i,
                     " is ", parameter, ", its ", kind == 1 ? "gradient " : "slot ", type,
                     "; they must be alike, and f32");
        if (kind != 1) outputs.push_back(type);
      }
    }
    return outputs;
  }

  PrecisionClass precision() const override { return PrecisionClass::f32; }

  std::vector<InPlacePair> in_place() const override {
    std::vector<InPlacePair> pairs;
    for (int i = 0; i < count_; ++i) pairs.push_back({kScalars + i, i});
    for (int i = 0; i < slots_ * count_; ++i) {
      pairs.push_back({kScalars + 2 * count_ + i, count_ + i});
    }
    return pairs;
  }

 protected:
  int count() const { return count_; }

 private:
  int count_;
  int slots_;
};

class SgdUpdateOp final : public UpdateOp {
 public:
  SgdUpdateOp(int count, const SgdUpdate& options)
      : UpdateOp(count, options.momentum != 0 ? 1 : 0), options_(options) {}
  std::string_view name() const override { return "sgd_update"; }
  std::string attributes() const override {
    return join("parameters=", count(), " momentum=", options_.momentum,
                " weight_decay=", options_.weight_decay, " nesterov=", options_.nesterov);
  }
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override {
    if (context.device.is_cuda()) return cuda::prepare_sgd_update(options_, count(), context);
    return cpu::prepare_sgd_update(options_, count(), context);
  }

 private:
  SgdUpdate options_;
};

class AdamUpdateOp final : public UpdateOp {
 public:
  AdamUpdateOp(int count, const AdamUpdate& options) : UpdateOp(count, 2), options_(options) {}
  std::string_view name() const override { return "adam_update"; }
  std::string attributes() const override {
    return join("parameters=", count(), " beta1=", options_.beta1, " beta2=", options_.beta2,
                " epsilon=", options_.epsilon, " weight_decay=", options_.weight_decay,
                " decoupled=", options_.decoupled);
  }
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override {
    if (context.device.is_cuda()) return cuda::prepare_adam_update(options_, count(), context);
    return cpu::prepare_adam_update(options_, count(), context);
  }

 private:
  AdamUpdate options_;
};

class SquaredNormOp final : public Op {
 public:
  std::string_view name() const override { return "squared_norm"; }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    for (const TensorType& type : inputs) {
      ENGINE_CHECK(type.dtype == DType::f32, name(), ": ", type, " is not f32");
    }
    return {{Shape{}, DType::f32}};
  }
  PrecisionClass precision() const override { return PrecisionClass::f32; }
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override {
    if (context.device.is_cuda()) return cuda::prepare_squared_norm(context);
    return cpu::prepare_squared_norm(context);
  }
};

std::vector<Value> all_inputs(std::string_view name, const UpdateInputs& inputs,
                              std::initializer_list<const std::vector<Value>*> slots) {
  const std::size_t count = inputs.parameters.size();
  ENGINE_CHECK(count > 0, name, ": no parameters");
  std::vector<Value> values = {inputs.learning_rate, inputs.gradient_scale, inputs.clock};
  values.insert(values.end(), inputs.parameters.begin(), inputs.parameters.end());
  const auto append = [&](std::string_view what, const std::vector<Value>& list) {
    ENGINE_CHECK(list.size() == count, name, ": ", count, " parameters, but ", list.size(), ' ',
                 what);
    values.insert(values.end(), list.begin(), list.end());
  };
  append("gradients", inputs.gradients);
  for (const std::vector<Value>* list : slots) append("slots of a kind", *list);
  return values;
}

// The `part`-th run of `count` values.
std::vector<Value> part_of(const std::vector<Value>& values, std::size_t count, std::size_t part) {
  const auto begin = values.begin() + static_cast<std::ptrdiff_t>(part * count);
  return {begin, begin + static_cast<std::ptrdiff_t>(count)};
}

}  // namespace

SgdUpdateResult sgd_update(const UpdateInputs& inputs, const std::vector<Value>& velocities,
                           const SgdUpdate& options) {
  ENGINE_CHECK(options.momentum != 0 || !options.nesterov, "sgd_update: nesterov without momentum");
  const bool has_velocities = options.momentum != 0;
  ENGINE_CHECK(has_velocities || velocities.empty(), "sgd_update: ", velocities.size(),
               " velocities without momentum");
  const std::size_t count = inputs.parameters.size();
  const std::vector<Value> values = has_velocities ? all_inputs("sgd_update", inputs, {&velocities})
                                                   : all_inputs("sgd_update", inputs, {});
  const std::vector<Value> outputs =
      Graph::of(inputs.learning_rate)
          .add(std::make_shared<SgdUpdateOp>(static_cast<int>(count), options), values);
  return {.parameters = part_of(outputs, count, 0),
          .velocities = has_velocities ? part_of(outputs, count, 1) : std::vector<Value>()};
}

AdamUpdateResult adam_update(const UpdateInputs& inputs, const std::vector<Value>& first_moments,
                             const std::vector<Value>& second_moments, const AdamUpdate& options) {
  ENGINE_CHECK(options.beta1 >= 0 && options.beta1 < 1 && options.beta2 >= 0 && options.beta2 < 1 &&
                   options.epsilon >= 0,
               "adam_update: beta1 ", options.beta1, ", beta2 ", options.beta2, ", epsilon ",
               options.epsilon, "; the betas lie in [0, 1), epsilon is not negative");
  const std::size_t count = inputs.parameters.size();
  const std::vector<Value> outputs =
      Graph::of(inputs.learning_rate)
          .add(std::make_shared<AdamUpdateOp>(static_cast<int>(count), options),
               all_inputs("adam_update", inputs, {&first_moments, &second_moments}));
  return {.parameters = part_of(outputs, count, 0),
          .first_moments = part_of(outputs, count, 1),
          .second_moments = part_of(outputs, count, 2)};
}

Value squared_norm(const std::vector<Value>& values) {
  ENGINE_CHECK(!values.empty(), "squared_norm: no values");
  return Graph::of(values[0]).add1(std::make_shared<SquaredNormOp>(), values);
}

}  // namespace engine
