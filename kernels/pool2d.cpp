#include "engine/kernels/pool2d.h"

#include <algorithm>

namespace engine {
namespace {

Pool2dOptions with_stride(Pool2dOptions options) {
  if (options.stride == Extent2d(0)) options.stride = options.window;
  return options;
}

std::string text_of(const Pool2dOptions& options) {
  return join("window=", options.window, " stride=", options.stride, " padding=", options.padding,
              options.ceil_mode ? " ceil" : "");
}

std::string average_text_of(const Pool2dOptions& options) {
  return text_of(options) + (options.count_include_padding ? "" : " without_padding");
}

struct Axis {
  std::int64_t in, window, stride, padding;
};

std::int64_t output_extent(const Axis& axis, bool ceil_mode) {
  const std::int64_t room = axis.in + 2 * axis.padding - axis.window;
  std::int64_t out = (room + (ceil_mode ? axis.stride - 1 : 0)) / axis.stride + 1;
  // The last window must begin inside the image or its leading padding.
  if (ceil_mode && (out - 1) * axis.stride >= axis.in + axis.padding) --out;
  return out;
}

void check_dtype(std::string_view op, const TensorType& type) {
  ENGINE_CHECK(type.dtype == DType::f32 || type.dtype == DType::bf16, op,
               ": takes f32 or bf16, not ", type);
}

DType argmax_type(const Pool2dProblem& problem) {
  return problem.window_size() <= 255 ? DType::u8 : DType::i32;
}

class AveragePool2dOp final : public Op {
 public:
  explicit AveragePool2dOp(const Pool2dOptions& options) : options_(options) {}
  std::string_view name() const override { return "average_pool2d"; }
  std::string attributes() const override { return average_text_of(options_); }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    ENGINE_CHECK(inputs.size() == 1, name(), ": takes one tensor, not ", inputs.size());
    check_dtype(name(), inputs[0]);
    return {{pool2d_problem(name(), inputs[0].shape, options_).y_shape(), inputs[0].dtype}};
  }
  std::vector<Value> gradient(const GradientContext& context) const override;
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override {
    const Pool2dProblem problem = pool2d_problem(name(), context.inputs[0].shape, options_);
    const auto prepare =
        context.device.is_cuda() ? cuda::prepare_average_pool2d : cpu::prepare_average_pool2d;
    return prepare(problem, context.inputs[0].dtype);
  }

 private:
  Pool2dOptions options_;
};

class AveragePool2dBackwardOp final : public Op {
 public:
  AveragePool2dBackwardOp(const Pool2dOptions& options, const Shape& x_shape)
      : options_(options), x_shape_(x_shape) {}
  std::string_view name() const override { return "average_pool2d_backward"; }
  std::string attributes() const override {
    return join("x=", x_shape_, ' ', average_text_of(options_));
  }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    const Shape wanted = pool2d_problem(name(), x_shape_, options_).y_shape();
    ENGINE_CHECK(inputs.size() == 1 && inputs[0].shape == wanted, name(), ": dy should be ",
                 wanted);
    check_dtype(name(), inputs[0]);
    return {{x_shape_, inputs[0].dtype}};
  }
  std::vector<Value> gradient(const GradientContext& context) const override {
    const Value& g = context.output_gradients[0];
    return {Graph::of(g).add1(std::make_shared<AveragePool2dOp>(options_), {g}, "average_pool2d")};
  }
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override {
    const auto prepare = context.device.is_cuda() ? cuda::prepare_average_pool2d_backward
                                                  : cpu::prepare_average_pool2d_backward;
    return prepare(pool2d_problem(name(), x_shape_, options_), context.inputs[0].dtype);
  }

 private:
  Pool2dOptions options_;
  Shape x_shape_;
};

std::vector<Value> AveragePool2dOp::gradient(const GradientContext& context) const {
  const Value& dy = context.output_gradients[0];
  return {Graph::of(dy).add1(
      std::make_shared<AveragePool2dBackwardOp>(options_, context.inputs[0].shape()), {dy},
      "average_pool2d_backward")};
}

}  // namespace

bool Pool2dProblem::is_two_by_two() const {
  return options.window == Extent2d(2) && options.stride == Extent2d(2) &&
         options.padding == Extent2d(0) && 2 * oh <= ih && 2 * ow <= iw;
}

Pool2dProblem pool2d_problem(std::string_view op, const Shape& x, const Pool2dOptions& given) {
  const Pool2dOptions options = with_stride(given);
  const auto& [window, stride, padding, ceil_mode, include] = options;
  ENGINE_CHECK(x.rank() == 4, op, ": x ", x, " must be [n, h, w, c]");
  ENGINE_CHECK(window.h > 0 && window.w > 0 && stride.h > 0 && stride.w > 0, op, ": window ",
               window, " and stride ", stride, " must be positive");
  ENGINE_CHECK(fits(window) && fits(stride) && fits(padding) && fits({x[1], x[2]}), op, ": x ", x,
               " with window ", window, ", stride ", stride, " and padding ", padding,
               "; no side may exceed ", kMaxSide);
  ENGINE_CHECK(
      padding.h >= 0 && padding.w >= 0 && 2 * padding.h <= window.h && 2 * padding.w <= window.w,
      op, ": padding ", padding, " exceeds half of the ", window, " window");
  ENGINE_CHECK(window.h <= x[1] + 2 * padding.h && window.w <= x[2] + 2 * padding.w, op, ": the ",
               window, " window exceeds x ", x, " with padding ", padding);
  return {.n = x[0],
          .ih = x[1],
          .iw = x[2],
          .c = x[3],
          .oh = output_extent({x[1], window.h, stride.h, padding.h}, ceil_mode),
          .ow = output_extent({x[2], window.w, stride.w, padding.w}, ceil_mode),
          .options = options};
}

std::string MaxPool2dOp::attributes() const {
  std::string text = text_of(options_);
  if (extras_.activation != Activation::none) {
    text += join(" activation=", name_of(extras_.activation));
  }
  if (!extras_.argmax) text += " without_argmax";
  return text;
}

std::vector<TensorType> MaxPool2dOp::infer(std::span<const TensorType> inputs) const {
  ENGINE_CHECK(inputs.size() == 1, name(), ": takes one tensor, not ", inputs.size());
  check_dtype(name(), inputs[0]);
  const Pool2dProblem problem = pool2d_problem(name(), inputs[0].shape, options_);
  std::vector<TensorType> outputs = {{problem.y_shape(), inputs[0].dtype}};
  if (extras_.argmax) outputs.push_back({problem.y_shape(), argmax_type(problem)});
  return outputs;
}

std::vector<Value> MaxPool2dOp::gradient(const GradientContext& context) const {
  if (!extras_.argmax) return Op::gradient(context);
  const Value& dy = context.output_gradients[0];
  if (!dy) return {Value()};
  return {
      Graph::of(dy).add1(std::make_shared<MaxPool2dBackwardOp>(options_, context.inputs[0].shape()),
                         {dy, context.outputs[1]}, "max_pool2d_backward")};
}

std::unique_ptr<Kernel> MaxPool2dOp::prepare(const PrepareContext& context) const {
  const auto prepare =
      context.device.is_cuda() ? cuda::prepare_max_pool2d : cpu::prepare_max_pool2d;
  return prepare(pool2d_problem(name(), context.inputs[0].shape, options_), extras_,
                 context.inputs[0].dtype);
}

std::string MaxPool2dBackwardOp::attributes() const {
  return join("x=", x_shape_, ' ', text_of(options_));
}

std::vector<TensorType> MaxPool2dBackwardOp::infer(std::span<const TensorType> inputs) const {
  ENGINE_CHECK(inputs.size() == 2, name(), ": takes dy and argmax, not ", inputs.size(), " inputs");
  const Pool2dProblem problem = pool2d_problem(name(), x_shape_, options_);
  check_dtype(name(), inputs[0]);
  const TensorType argmax{problem.y_shape(), argmax_type(problem)};
  ENGINE_CHECK(inputs[0].shape == problem.y_shape() && inputs[1] == argmax, name(), ": dy ",
               inputs[0], " and argmax ", inputs[1], " should be ", problem.y_shape(), " and ",
               argmax);
  return {{x_shape_, inputs[0].dtype}};
}

std::unique_ptr<Kernel> MaxPool2dBackwardOp::prepare(const PrepareContext& context) const {
  const auto prepare = context.device.is_cuda() ? cuda::prepare_max_pool2d_backward
                                                : cpu::prepare_max_pool2d_backward;
  return prepare(pool2d_problem(name(), x_shape_, options_), context.inputs[0].dtype);
}

std::vector<TensorType> MaxPool2dBackwardSumOp::infer(std::span<const TensorType> inputs) const {
  ENGINE_CHECK(
      inputs.size() == 2 && inputs[0].shape == inputs[1].shape && inputs[0].shape.rank() == 4,
      name(), ": takes dy and argmax of one shape [n, h, w, c]");
  check_dtype(name(), inputs[0]);
  return {{Shape{inputs[0].shape[3]}, DType::f32}};
}

std::unique_ptr<Kernel> MaxPool2dBackwardSumOp::prepare(const PrepareContext& context) const {
  const Shape& shape = context.inputs[0].shape;
  const auto prepare = context.device.is_cuda() ? cuda::prepare_max_pool2d_backward_sum
                                                : cpu::prepare_max_pool2d_backward_sum;
  return prepare(shape.slice(0, 3).elements(), shape[3], context.inputs[0].dtype,
                 context.inputs[1].dtype);
}

Value max_pool2d(const Value& x, const Pool2dOptions& options) {
  Pool2dOptions known = with_stride(options);
  known.count_include_padding = true;  // means nothing here: equal ops must compare equal
  return Graph::of(x).add(std::make_shared<MaxPool2dOp>(known), {x}, "max_pool2d")[0];
}

Value average_pool2d(const Value& x, const Pool2dOptions& options) {
  return Graph::of(x).add1(std::make_shared<AveragePool2dOp>(with_stride(options)), {x},
                           "average_pool2d");
}

}  // namespace engine
