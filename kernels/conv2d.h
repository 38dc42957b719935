#pragma once

#include <iosfwd>

#include "engine/core/graph.h"
#include "engine/kernels/activation.h"
#include "engine/kernels/extent2d.h"

namespace engine {

struct Conv2dGeometry {
  Extent2d stride = 1;
  Extent2d padding = 0;   // zeros added on each side
  Extent2d dilation = 1;  // 1: dense kernel
  std::int64_t groups = 1;

  bool operator==(const Conv2dGeometry&) const = default;
};

// 2-D cross-correlation.
//   y[n, oh, ow, oc] = sum over kh, kw, c of
//       x[n, oh * stride.h - padding.h + kh * dilation.h, ..., group(oc) * C + c] * w[oc, kh, kw,
//       c]
// Shapes: x [n, h, w, in_channels], w [out_channels, kh, kw, in_channels / groups] ->
//   [n, (h + 2 padding.h - dilation.h (kh - 1) - 1) / stride.h + 1, ..., out_channels].
// Dtypes: x f32 or bf16, on CUDA f16 too, w the same or f32, y as x (matrix class); accumulates in
//   f32. Precision::tf32 rounds f32 factors to tf32 where tensor cores do the product: channels of
//   a group in fours, backward those of y too.
// Gradients: x and w.
// Numerics: the same bits in every run with the same thread count. NaN in x or w reaches y, but the
//   relu that fusion appends on the CPU is oneDNN's, which turns NaN into 0. relu() by itself keeps
//   it. With AVX-512 large 3x3 convolutions of stride 1 are computed by Winograd's minimal
//   filtering, in f32 (kernels/cpu/winograd_conv2d.h): NaN then reaches all of its 4x4 tile. On
//   CUDA NaN and infinity in w also reach the pixels whose tap lies in the padding, as 0 is
//   multiplied there.
// Scratch: packed weights and oneDNN's own; transformed tiles, 6 MiB and more.
// Throws: InvalidArgument with both shapes when channels, groups or the kernel do not fit.
Value conv2d(const Value& x, const Value& w, const Conv2dGeometry& geometry = {});

// The gradient of conv2d with respect to x, of shape `x_shape`. Dtypes as of conv2d; dx as dy.
// Gradients: dy and w.
Value conv2d_backward_data(const Value& dy, const Value& w, const Shape& x_shape,
                           const Conv2dGeometry& geometry = {});

// The gradient of conv2d with respect to w, of shape `w_shape`, always f32. x and dy f32, bf16 or,
// on CUDA, f16, alike. Gradients: x and dy.
Value conv2d_backward_weights(const Value& x, const Value& dy, const Shape& w_shape,
                              const Conv2dGeometry& geometry = {});

// All extents of one convolution, checked. Letters as in oneDNN.
struct Conv2dProblem {
  std::int64_t n = 0, ih = 0, iw = 0, ic = 0;  // x
  std::int64_t oc = 0, kh = 0, kw = 0;         // w
  std::int64_t oh = 0, ow = 0;                 // y
  Conv2dGeometry geometry;

  std::int64_t flops() const { return 2 * n * oh * ow * oc * kh * kw * (ic / geometry.groups); }
  Shape x_shape() const { return {n, ih, iw, ic}; }
  Shape w_shape() const { return {oc, kh, kw, ic / geometry.groups}; }
  Shape y_shape() const { return {n, oh, ow, oc}; }
};
std::ostream& operator<<(std::ostream& out, const Conv2dProblem& problem);

// Throws InvalidArgument with both shapes and `op` when they do not fit.
Conv2dProblem conv2d_problem(std::string_view op, const Shape& x, const Shape& w,
                             const Conv2dGeometry& geometry);

// The op behind conv2d(), seen by fusion rules and backends. Inputs: x, w and maybe a bias
// f32 [out_channels] that is added before the activation. With a bias or an activation it has no
// gradient.
class Conv2dOp final : public Op {
 public:
  explicit Conv2dOp(const Conv2dGeometry& geometry, Activation activation = Activation::none)
      : geometry_(geometry), activation_(activation) {}

  const Conv2dGeometry& geometry() const { return geometry_; }
  Activation activation() const { return activation_; }

  std::string_view name() const override { return "conv2d"; }
  std::string attributes() const override;
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::vector<Value> gradient(const GradientContext& context) const override;
  PrecisionClass precision() const override { return PrecisionClass::matrix; }
  bool keeps_f32(int input) const override { return input == 2; }
  Cost cost(std::span<const TensorType> inputs, std::span<const TensorType> outputs) const override;
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override;

 private:
  Conv2dGeometry geometry_;
  Activation activation_;
};

namespace cpu {
// Inputs and outputs in the order of the graph ops. Throw InvalidArgument where the processor has
// no kernel for the types.
std::unique_ptr<Kernel> prepare_conv2d(const Conv2dProblem& problem, Activation activation,
                                       const PrepareContext& context);
std::unique_ptr<Kernel> prepare_conv2d_backward_data(const Conv2dProblem& problem,
                                                     const PrepareContext& context);
std::unique_ptr<Kernel> prepare_conv2d_backward_weights(const Conv2dProblem& problem,
                                                        const PrepareContext& context);
}  // namespace cpu

// The same for CUDA. Scratch: partial sums, and weights that are rounded there.
namespace cuda {
std::unique_ptr<Kernel> prepare_conv2d(const Conv2dProblem& problem, Activation activation,
                                       const PrepareContext& context);
std::unique_ptr<Kernel> prepare_conv2d_backward_data(const Conv2dProblem& problem,
                                                     const PrepareContext& context);
std::unique_ptr<Kernel> prepare_conv2d_backward_weights(const Conv2dProblem& problem,
                                                        const PrepareContext& context);
}  // namespace cuda

}  // namespace engine
