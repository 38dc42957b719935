#pragma once

// Small ops for core's tests, so that they need nothing of kernels/.

#include "engine/core/errors.h"
#include "engine/core/graph.h"
#include "engine/core/structural_ops.h"

namespace engine::test {

// y = factor * x, in place where allowed. `precision` and `effect` as the test wants them.
class ScaleOp final : public Op {
 public:
  struct Options {
    float factor = 2;
    PrecisionClass precision = PrecisionClass::follow;
    Effect effect = Effect::pure;
    bool in_place = true;
    bool has_gradient = true;
    std::int64_t scratch = 0;
  };
  explicit ScaleOp(Options options) : options_(options) {}

  std::string_view name() const override { return "scale"; }
  std::string attributes() const override { return join(options_.factor); }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    return {inputs[0]};
  }
  std::vector<Value> gradient(const GradientContext& context) const override {
    if (!options_.has_gradient) return Op::gradient(context);
    return {Graph::of(context.inputs[0])
                .add1(std::make_shared<ScaleOp>(options_), {context.output_gradients[0]})};
  }
  Effect effect() const override { return options_.effect; }
  PrecisionClass precision() const override { return options_.precision; }
  std::vector<InPlacePair> in_place() const override {
    return options_.in_place ? std::vector<InPlacePair>{{0, 0}} : std::vector<InPlacePair>{};
  }
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override {
    const std::int64_t count = context.inputs[0].shape.elements();
    const float factor = options_.factor;
    if (context.inputs[0].dtype == DType::bf16) return kernel<BFloat16>(count, factor);
    return kernel<float>(count, factor);
  }

 private:
  template <class T>
  std::unique_ptr<Kernel> kernel(std::int64_t count, float factor) const {
    return make_kernel(
        [count, factor](const Stream&, const Buffers& buffers) {
          for (std::int64_t i = 0; i < count; ++i) {
            buffers.out<T>(0)[i] = T(factor * static_cast<float>(buffers.in<T>(0)[i]));
          }
        },
        options_.scratch);
  }

  Options options_;
};

inline Value scale(const Value& x, ScaleOp::Options options = {}) {
  return Graph::of(x).add1(std::make_shared<ScaleOp>(options), {x});
}

// The sum of all elements, so that tests have a loss.
class TotalOp final : public Op {
 public:
  std::string_view name() const override { return "total"; }
  std::vector<TensorType> infer(std::span<const TensorType>) const override {
    return {{Shape{}, DType::f32}};
  }
  std::vector<Value> gradient(const GradientContext& context) const override {
    return {Graph::of(context.inputs[0])
                .add1(std::make_shared<RepeatOp>(context.inputs[0].shape()),
                      {context.output_gradients[0]})};
  }
  PrecisionClass precision() const override { return PrecisionClass::f32; }
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override {
    const std::int64_t count = context.inputs[0].shape.elements();
    return make_kernel([count](const Stream&, const Buffers& buffers) {
      float total = 0;
      for (std::int64_t i = 0; i < count; ++i) total += buffers.in<float>(0)[i];
      *buffers.out<float>(0) = total;
    });
  }

 private:
  class RepeatOp final : public Op {
   public:
    explicit RepeatOp(const Shape& shape) : shape_(shape) {}
    std::string_view name() const override { return "repeat"; }
    std::string attributes() const override { return join(shape_); }
    std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
      return {{shape_, inputs[0].dtype}};
    }
    std::unique_ptr<Kernel> prepare(const PrepareContext&) const override {
      const std::int64_t count = shape_.elements();
      return make_kernel([count](const Stream&, const Buffers& buffers) {
        for (std::int64_t i = 0; i < count; ++i) buffers.out<float>(0)[i] = *buffers.in<float>(0);
      });
    }

   private:
    Shape shape_;
  };
};

inline Value total(const Value& x) {
  return Graph::of(x).add1(std::make_shared<TotalOp>(), {x});
}

inline Tensor floats(const std::vector<float>& values) {
  return Tensor::from(values, {static_cast<std::int64_t>(values.size())});
}

}  // namespace engine::test
