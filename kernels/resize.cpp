#include "engine/kernels/resize.h"

#include <algorithm>
#include <cmath>

namespace engine {
namespace {

std::string_view name_of(ResizeFilter filter) {
  return filter == ResizeFilter::area ? "area" : "bilinear";
}

// The weight of input pixel `i` for an output pixel centred at `center` (in input pixels), before
// they are scaled to sum to 1.
double weight_at(double center, double factor, std::int64_t i, ResizeFilter filter) {
  if (filter == ResizeFilter::area) {
    const double low = std::max(center - factor / 2, static_cast<double>(i));
    const double high = std::min(center + factor / 2, static_cast<double>(i + 1));
    return std::max(high - low, 0.0);
  }
  const double reach = std::max(factor, 1.0);
  return std::max(1 - std::abs(static_cast<double>(i) + 0.5 - center) / reach, 0.0);
}

Shape resized(const Shape& x, const ResizeOptions& options) {
  return {x[0], options.height, options.width, x[3]};
}

// Forward, and backward (from the output's size to the input's, by the transposed axes).
class ResizeOp final : public Op {
 public:
  ResizeOp(const Shape& x, const ResizeOptions& options, bool is_backward)
      : x_(x), options_(options), is_backward_(is_backward) {}
  std::string_view name() const override { return is_backward_ ? "resize_backward" : "resize"; }
  std::string attributes() const override {
    return join("x=", x_, " to=", options_.height, 'x', options_.width,
                " filter=", name_of(options_.filter));
  }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    ENGINE_CHECK(inputs.size() == 1, name(), ": takes one tensor, got ", inputs.size());
    const TensorType y{resized(x_, options_), DType::f32}, x{x_, DType::f32};
    const TensorType& wanted = is_backward_ ? y : x;
    ENGINE_CHECK(inputs[0] == wanted, name(), ": takes ", wanted, ", got ", inputs[0]);
    return {is_backward_ ? x : y};
  }
  std::vector<Value> gradient(const GradientContext& context) const override {
    const Value& dy = context.output_gradients[0];
    return {Graph::of(dy).add1(std::make_shared<ResizeOp>(x_, options_, !is_backward_), {dy},
                               is_backward_ ? "resize" : "resize_backward")};
  }
  PrecisionClass precision() const override { return PrecisionClass::f32; }
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override {
    ResizeProblem problem{.n = x_[0],
                          .c = x_[3],
                          .vertical = resize_axis(x_[1], options_.height, options_.filter),
                          .horizontal = resize_axis(x_[2], options_.width, options_.filter)};
    if (is_backward_) {
      problem.vertical = transposed(problem.vertical);
      problem.horizontal = transposed(problem.horizontal);
    }
    if (context.device.is_cuda()) return cuda::prepare_resize(problem, context.device);
    return cpu::prepare_resize(std::move(problem));
  }

 private:
  Shape x_;
  ResizeOptions options_;
  bool is_backward_;
};

}  // namespace

ResizeAxis resize_axis(std::int64_t in, std::int64_t out, ResizeFilter filter) {
  ResizeAxis axis{.in = in, .out = out};
  const double factor = static_cast<double>(in) / static_cast<double>(out);
  const double reach = filter == ResizeFilter::area ? factor / 2 : std::max(factor, 1.0);
  for (std::int64_t o = 0; o < out; ++o) {
    const double center = (static_cast<double>(o) + 0.5) * factor;
    const auto low = static_cast<std::int64_t>(std::floor(center - reach));
    const auto high = static_cast<std::int64_t>(std::ceil(center + reach));
    axis.begin.push_back(-1);
    axis.first.push_back(static_cast<std::int64_t>(axis.weights.size()));
    std::vector<double> weights;
    double sum = 0;
    for (std::int64_t i = std::max<std::int64_t>(low, 0); i < std::min(high + 1, in); ++i) {
      const double weight = weight_at(center, factor, i, filter);
      if (weight <= 0) continue;
      if (axis.begin.back() < 0) axis.begin.back() = i;
      weights.push_back(weight);
      sum += weight;
    }
    for (const double weight : weights) axis.weights.push_back(static_cast<float>(weight / sum));
  }
  axis.first.push_back(static_cast<std::int64_t>(axis.weights.size()));
  return axis;
}

ResizeAxis transposed(const ResizeAxis& axis) {
  // An input pixel is read by a run of neighbouring outputs, as the filter has no holes.
  std::vector<std::vector<float>> weights(static_cast<std::size_t>(axis.in));
  ResizeAxis result{.in = axis.out, .out = axis.in};
  result.begin.assign(static_cast<std::size_t>(axis.in), 0);
  for (std::int64_t o = 0; o < axis.out; ++o) {
    const auto at = static_cast<std::size_t>(o);
    for (std::int64_t k = axis.first[at]; k < axis.first[at + 1]; ++k) {
      const auto i = static_cast<std::size_t>(axis.begin[at] + k - axis.first[at]);
      if (weights[i].empty()) result.begin[i] = o;
      weights[i].push_back(axis.weights[static_cast<std::size_t>(k)]);
    }
  }
  for (const std::vector<float>& list : weights) {
    result.first.push_back(static_cast<std::int64_t>(result.weights.size()));
    result.weights.insert(result.weights.end(), list.begin(), list.end());
  }
  result.first.push_back(static_cast<std::int64_t>(result.weights.size()));
  return result;
}

Value resize(const Value& x, const ResizeOptions& options) {
  const Shape& shape = x.shape();
  ENGINE_CHECK(shape.rank() == 4 && shape[1] > 0 && shape[2] > 0, "resize: x ", x.type(),
               " must be [n, h, w, c] with pixels");
  ENGINE_CHECK(options.height > 0 && options.width > 0, "resize: to ", options.height, " x ",
               options.width, "; both must be positive");
  return Graph::of(x).add1(std::make_shared<ResizeOp>(shape, options, false), {x}, "resize");
}

}  // namespace engine
