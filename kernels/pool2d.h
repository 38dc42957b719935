#pragma once

#include <memory>
#include <string>

#include "engine/core/graph.h"
#include "engine/kernels/activation.h"
#include "engine/kernels/extent2d.h"

namespace engine {

struct Pool2dOptions {
  Extent2d window = 2;
  Extent2d stride = 0;  // 0: the window
  Extent2d padding = 0;
  bool ceil_mode = false;             // round the output extent up instead of down
  bool count_include_padding = true;  // average only

  bool operator==(const Pool2dOptions&) const = default;
};

// Maximum or average over windows. Padding counts as -infinity for the maximum.
// Shapes: x [n, h, w, c] -> [n, (h + 2 padding.h - window.h) / stride.h + 1, ..., c].
// Dtypes: f32, bf16 (follow). Gradients: x; for ties the first element in row-major order gets it.
// NaN: a window with a NaN gives NaN.
// Throws: when padding exceeds half the window, or the window exceeds the padded image.
Value max_pool2d(const Value& x, const Pool2dOptions& options = {});
Value average_pool2d(const Value& x, const Pool2dOptions& options = {});

// Everything about one pooling, checked. Rows, columns and windows as in the options, stride set.
struct Pool2dProblem {
  std::int64_t n = 0, ih = 0, iw = 0, c = 0, oh = 0, ow = 0;
  Pool2dOptions options;

  Shape x_shape() const { return {n, ih, iw, c}; }
  Shape y_shape() const { return {n, oh, ow, c}; }
  std::int64_t window_size() const { return options.window.h * options.window.w; }
  // Whether windows are 2x2 side by side, every one inside the image.
  bool is_two_by_two() const;
};
Pool2dProblem pool2d_problem(std::string_view op, const Shape& x, const Pool2dOptions& options);

// x -> y, argmax. argmax is the position of the maximum in its window, row-major: u8 for windows of
// at most 255 elements, else i32. With `activation` relu, y = relu(max) and windows whose y is 0
// have no position (255, -1): backward gives them no gradient. Fusion sets activation, and drops
// argmax where nobody reads it.
class MaxPool2dOp final : public Op {
 public:
  struct Extras {
    Activation activation = Activation::none;
    bool argmax = true;
  };
  MaxPool2dOp(const Pool2dOptions& options, Extras extras) : options_(options), extras_(extras) {}
  explicit MaxPool2dOp(const Pool2dOptions& options) : MaxPool2dOp(options, Extras()) {}
  const Pool2dOptions& options() const { return options_; }
  const Extras& extras() const { return extras_; }

  std::string_view name() const override { return "max_pool2d"; }
  std::string attributes() const override;
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::vector<Value> gradient(const GradientContext& context) const override;
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override;

 private:
  Pool2dOptions options_;
  Extras extras_;
};

// (dy, argmax) -> dx. Every element of dx is written once.
class MaxPool2dBackwardOp final : public Op {
 public:
  MaxPool2dBackwardOp(const Pool2dOptions& options, const Shape& x_shape)
      : options_(options), x_shape_(x_shape) {}

  std::string_view name() const override { return "max_pool2d_backward"; }
  std::string attributes() const override;
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override;

 private:
  Pool2dOptions options_;
  Shape x_shape_;
};

// (dy, argmax) -> f32 [c], the sum of dx over all axes but the last: the bias gradient, read from
// the small tensors.
class MaxPool2dBackwardSumOp final : public Op {
 public:
  std::string_view name() const override { return "max_pool2d_backward_sum"; }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override;
};

namespace cpu {
std::unique_ptr<Kernel> prepare_max_pool2d(const Pool2dProblem& problem, MaxPool2dOp::Extras extras,
                                           DType dtype);
std::unique_ptr<Kernel> prepare_max_pool2d_backward(const Pool2dProblem& problem, DType dtype);
// rows of `channels` elements.
std::unique_ptr<Kernel> prepare_max_pool2d_backward_sum(std::int64_t rows, std::int64_t channels,
                                                        DType dtype, DType argmax);
std::unique_ptr<Kernel> prepare_average_pool2d(const Pool2dProblem& problem, DType dtype);
std::unique_ptr<Kernel> prepare_average_pool2d_backward(const Pool2dProblem& problem, DType dtype);
}  // namespace cpu

namespace cuda {
std::unique_ptr<Kernel> prepare_max_pool2d(const Pool2dProblem& problem, MaxPool2dOp::Extras extras,
                                           DType dtype);
std::unique_ptr<Kernel> prepare_max_pool2d_backward(const Pool2dProblem& problem, DType dtype);
std::unique_ptr<Kernel> prepare_max_pool2d_backward_sum(std::int64_t rows, std::int64_t channels,
                                                        DType dtype, DType argmax);
std::unique_ptr<Kernel> prepare_average_pool2d(const Pool2dProblem& problem, DType dtype);
std::unique_ptr<Kernel> prepare_average_pool2d_backward(const Pool2dProblem& problem, DType dtype);
}  // namespace cuda

}  // namespace engine
