#include "engine/kernels/conv2d.h"

#include <ostream>

#include "engine/core/structural_ops.h"

namespace engine {
namespace {

std::string text_of(const Conv2dGeometry& g) {
  return join("stride=", g.stride, " padding=", g.padding, " dilation=", g.dilation,
              " groups=", g.groups);
}

// Output extent of one axis; 0 or less when the kernel exceeds the padded image.
std::int64_t output_extent(std::int64_t in, std::int64_t kernel, std::int64_t stride,
                           std::int64_t padding, std::int64_t dilation) {
  const std::int64_t reach = dilation * (kernel - 1) + 1;
  const std::int64_t room = in + 2 * padding - reach;
  return room < 0 ? 0 : room / stride + 1;
}

void check_dtypes(std::string_view op, const TensorType& data, const TensorType& weights) {
  ENGINE_CHECK(is_floating_point(data.dtype), op, ": ", data, " is not floating-point");
  ENGINE_CHECK(weights.dtype == data.dtype || weights.dtype == DType::f32, op, ": weights ",
               weights, " with ", data, "; they must have the same type or be f32");
}

// What both gradients share. The shape of the result is an attribute.
class Conv2dBackwardOp : public Op {
 public:
  explicit Conv2dBackwardOp(const Conv2dGeometry& geometry) : geometry_(geometry) {}

  PrecisionClass precision() const final { return PrecisionClass::matrix; }

  Cost cost(std::span<const TensorType> inputs, std::span<const TensorType> outputs) const final {
    Cost result = Op::cost(inputs, outputs);
    result.flops = problem_of(inputs).flops();
    return result;
  }

 protected:
  virtual Conv2dProblem problem_of(std::span<const TensorType> inputs) const = 0;

  const Conv2dGeometry geometry_;
};

class Conv2dBackwardDataOp final : public Conv2dBackwardOp {
 public:
  Conv2dBackwardDataOp(const Shape& x_shape, const Conv2dGeometry& geometry)
      : Conv2dBackwardOp(geometry), x_shape_(x_shape) {}

  std::string_view name() const override { return "conv2d_backward_data"; }
  std::string attributes() const override { return join("x=", x_shape_, ' ', text_of(geometry_)); }

  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    ENGINE_CHECK(inputs.size() == 2, name(), ": takes dy and w, got ", inputs.size(), " inputs");
    check_dtypes(name(), inputs[0], inputs[1]);
    const Conv2dProblem problem = problem_of(inputs);
    ENGINE_CHECK(inputs[0].shape == problem.y_shape(), name(), ": dy ", inputs[0], " for x ",
                 x_shape_, " and w ", inputs[1], "; it should be ", problem.y_shape());
    return {{x_shape_, inputs[0].dtype}};
  }

  std::vector<Value> gradient(const GradientContext& context) const override {
    const Value &dy = context.inputs[0], &w = context.inputs[1], &g = context.output_gradients[0];
    std::vector<Value> result(2);
    if (context.wanted[0]) result[0] = cast(conv2d(g, w, geometry_), dy.dtype());
    if (context.wanted[1]) {
      result[1] = cast(conv2d_backward_weights(g, dy, w.shape(), geometry_), w.dtype());
    }
    return result;
  }

  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override {
    const Conv2dProblem problem = problem_of(context.inputs);
    return context.device.is_cuda() ? cuda::prepare_conv2d_backward_data(problem, context)
                                    : cpu::prepare_conv2d_backward_data(problem, context);
  }

 private:
  Conv2dProblem problem_of(std::span<const TensorType> inputs) const override {
    return conv2d_problem(name(), x_shape_, inputs[1].shape, geometry_);
  }

  Shape x_shape_;
};

class Conv2dBackwardWeightsOp final : public Conv2dBackwardOp {
 public:
  Conv2dBackwardWeightsOp(const Shape& w_shape, const Conv2dGeometry& geometry)
      : Conv2dBackwardOp(geometry), w_shape_(w_shape) {}

  std::string_view name() const override { return "conv2d_backward_weights"; }
  std::string attributes() const override { return join("w=", w_shape_, ' ', text_of(geometry_)); }

  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    ENGINE_CHECK(inputs.size() == 2, name(), ": takes x and dy, got ", inputs.size(), " inputs");
    ENGINE_CHECK(is_floating_point(inputs[0].dtype) && inputs[0].dtype == inputs[1].dtype, name(),
                 ": x ", inputs[0], " and dy ", inputs[1],
                 "; they must have the same floating-point type");
    const Conv2dProblem problem = problem_of(inputs);
    ENGINE_CHECK(inputs[1].shape == problem.y_shape(), name(), ": dy ", inputs[1], " for x ",
                 inputs[0], " and w ", w_shape_, "; it should be ", problem.y_shape());
    return {{w_shape_, DType::f32}};
  }

  std::vector<Value> gradient(const GradientContext& context) const override {
    const Value &x = context.inputs[0], &dy = context.inputs[1], &g = context.output_gradients[0];
    std::vector<Value> result(2);
    if (context.wanted[0]) result[0] = conv2d_backward_data(dy, g, x.shape(), geometry_);
    if (context.wanted[1]) result[1] = conv2d(x, g, geometry_);
    return result;
  }

  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override {
    const Conv2dProblem problem = problem_of(context.inputs);
    return context.device.is_cuda() ? cuda::prepare_conv2d_backward_weights(problem, context)
                                    : cpu::prepare_conv2d_backward_weights(problem, context);
  }

 private:
  Conv2dProblem problem_of(std::span<const TensorType> inputs) const override {
    return conv2d_problem(name(), inputs[0].shape, w_shape_, geometry_);
  }

  Shape w_shape_;
};

}  // namespace

std::ostream& operator<<(std::ostream& out, const Conv2dProblem& problem) {
  return out << "x=" << problem.x_shape() << " w=" << problem.w_shape()
             << " y=" << problem.y_shape() << ' ' << text_of(problem.geometry);
}

Conv2dProblem conv2d_problem(std::string_view op, const Shape& x, const Shape& w,
                             const Conv2dGeometry& geometry) {
  const Conv2dGeometry& g = geometry;
  ENGINE_CHECK(x.rank() == 4 && w.rank() == 4, op, ": x ", x, " and w ", w,
               " must be [n, h, w, in_channels] and [out_channels, kh, kw, in_channels / groups]");
  ENGINE_CHECK(g.stride.h > 0 && g.stride.w > 0 && g.dilation.h > 0 && g.dilation.w > 0, op,
               ": stride ", g.stride, " and dilation ", g.dilation, " must be positive");
  ENGINE_CHECK(g.padding.h >= 0 && g.padding.w >= 0, op, ": padding ", g.padding,
               " must not be negative");
  ENGINE_CHECK(g.groups > 0, op, ": ", g.groups, " groups; there must be at least one");
  ENGINE_CHECK(fits(g.stride) && fits(g.padding) && fits(g.dilation) && fits({x[1], x[2]}) &&
                   fits({w[1], w[2]}),
               op, ": x ", x, " and w ", w, " with ", text_of(g), "; no side may exceed ",
               kMaxSide);

  const std::int64_t channels = x[3], filters = w[0];
  ENGINE_CHECK(channels > 0 && filters > 0 && w[1] > 0 && w[2] > 0, op, ": x ", x, " with w ", w,
               " has no channels, filters or taps");
  ENGINE_CHECK(channels % g.groups == 0, op, ": the ", channels, " channels of x ", x,
               " do not divide into ", g.groups, " groups");
  ENGINE_CHECK(filters % g.groups == 0, op, ": the ", filters, " filters of w ", w,
               " do not divide into ", g.groups, " groups");
  ENGINE_CHECK(w[3] == channels / g.groups, op, ": x ", x, " has ", channels / g.groups,
               " channels in each of ", g.groups, " groups, but w ", w, " takes ", w[3]);

  Conv2dProblem problem{.n = x[0], .ih = x[1], .iw = x[2], .ic = channels};
  problem.oc = filters;
  problem.kh = w[1];
  problem.kw = w[2];
  problem.oh = output_extent(x[1], w[1], g.stride.h, g.padding.h, g.dilation.h);
  problem.ow = output_extent(x[2], w[2], g.stride.w, g.padding.w, g.dilation.w);
  problem.geometry = g;
  ENGINE_CHECK(problem.oh > 0 && problem.ow > 0, op, ": the ", Extent2d(w[1], w[2]),
               " kernel of w ", w, " with dilation ", g.dilation, " exceeds x ", x,
               " with padding ", g.padding);
  return problem;
}

std::string Conv2dOp::attributes() const {
  std::string text = text_of(geometry_);
  if (activation_ != Activation::none) text += join(" activation=", name_of(activation_));
  return text;
}

std::vector<TensorType> Conv2dOp::infer(std::span<const TensorType> inputs) const {
  ENGINE_CHECK(inputs.size() == 2 || inputs.size() == 3, name(),
               ": takes x, w and maybe a bias, got ", inputs.size(), " inputs");
  check_dtypes(name(), inputs[0], inputs[1]);
  const Conv2dProblem problem = conv2d_problem(name(), inputs[0].shape, inputs[1].shape, geometry_);
  if (inputs.size() == 3) {
    const TensorType wanted{{problem.oc}, DType::f32};
    ENGINE_CHECK(inputs[2] == wanted, name(), ": bias ", inputs[2], " for w ", inputs[1],
                 "; it should be ", wanted);
  }
  return {{problem.y_shape(), inputs[0].dtype}};
}

std::vector<Value> Conv2dOp::gradient(const GradientContext& context) const {
  if (context.inputs.size() > 2 || activation_ != Activation::none) return Op::gradient(context);
  const Value &x = context.inputs[0], &w = context.inputs[1], &dy = context.output_gradients[0];
  std::vector<Value> result(2);
  if (context.wanted[0]) result[0] = conv2d_backward_data(dy, w, x.shape(), geometry_);
  if (context.wanted[1]) {
    result[1] = cast(conv2d_backward_weights(x, dy, w.shape(), geometry_), w.dtype());
  }
  return result;
}

Cost Conv2dOp::cost(std::span<const TensorType> inputs, std::span<const TensorType> outputs) const {
  Cost result = Op::cost(inputs, outputs);
  result.flops = conv2d_problem(name(), inputs[0].shape, inputs[1].shape, geometry_).flops();
  return result;
}

std::unique_ptr<Kernel> Conv2dOp::prepare(const PrepareContext& context) const {
  const Conv2dProblem problem =
      conv2d_problem(name(), context.inputs[0].shape, context.inputs[1].shape, geometry_);
  return context.device.is_cuda() ? cuda::prepare_conv2d(problem, activation_, context)
                                  : cpu::prepare_conv2d(problem, activation_, context);
}

Value conv2d(const Value& x, const Value& w, const Conv2dGeometry& geometry) {
  return Graph::of(x).add1(std::make_shared<Conv2dOp>(geometry), {x, w});
}

Value conv2d_backward_data(const Value& dy, const Value& w, const Shape& x_shape,
                           const Conv2dGeometry& geometry) {
  return Graph::of(dy).add1(std::make_shared<Conv2dBackwardDataOp>(x_shape, geometry), {dy, w});
}

Value conv2d_backward_weights(const Value& x, const Value& dy, const Shape& w_shape,
                              const Conv2dGeometry& geometry) {
  return Graph::of(x).add1(std::make_shared<Conv2dBackwardWeightsOp>(w_shape, geometry), {x, dy});
}

}  // namespace engine
