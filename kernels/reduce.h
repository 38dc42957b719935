#pragma once

#include <memory>
#include <string>

#include "engine/core/graph.h"

namespace engine {

// Neighbouring axes of a shape: first, first + 1, ... last - 1.
struct AxisRange {
  int first = 0;
  int last = 0;
  bool operator==(const AxisRange&) const = default;
};

// Sums and means over a run of axes, which disappear from the shape; without axes, over everything
// (a scalar). mean(images, {.first = 1, .last = 3}) of [n, h, w, c] is [n, c].
// Dtypes: f32 or bf16 in (follow), f32 out. Accumulates in f32 in blocks whose size depends on the
// shape alone: the same bits for every thread count. Nothing to sum gives 0; its mean is NaN.
// Gradients: x.
Value sum(const Value& x);
Value sum(const Value& x, AxisRange axes);
Value mean(const Value& x);
Value mean(const Value& x, AxisRange axes);

enum class ReduceMember : std::uint8_t { sum, mean };

std::string_view name_of(ReduceMember member);

class ReduceOp final : public Op {
 public:
  ReduceOp(ReduceMember member, AxisRange axes) : member_(member), axes_(axes) {}
  ReduceMember member() const { return member_; }
  AxisRange axes() const { return axes_; }

  std::string_view name() const override { return "reduce"; }
  std::string attributes() const override;  // "sum axes=0..3"
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::vector<Value> gradient(const GradientContext& context) const override;
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override;

 private:
  ReduceMember member_;
  AxisRange axes_;
};

// dy repeated along the axes that were reduced, divided by their extent for the mean.
class ReduceBackwardOp final : public Op {
 public:
  ReduceBackwardOp(ReduceMember member, AxisRange axes, const Shape& x_shape)
      : member_(member), axes_(axes), x_shape_(x_shape) {}

  std::string_view name() const override { return "reduce_backward"; }
  std::string attributes() const override;
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::vector<Value> gradient(const GradientContext& context) const override;
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override;

 private:
  ReduceMember member_;
  AxisRange axes_;
  Shape x_shape_;
};

// A tensor seen as [outer, reduced, inner].
struct ReduceExtents {
  std::int64_t outer = 1;
  std::int64_t reduced = 1;
  std::int64_t inner = 1;
};
ReduceExtents reduce_extents(const Shape& shape, AxisRange axes);

namespace cpu {
std::unique_ptr<Kernel> prepare_reduce(ReduceMember member, const ReduceExtents& extents,
                                       DType dtype);
std::unique_ptr<Kernel> prepare_reduce_backward(ReduceMember member, const ReduceExtents& extents,
                                                DType dtype);
}  // namespace cpu

namespace cuda {
std::unique_ptr<Kernel> prepare_reduce(ReduceMember member, const ReduceExtents& extents,
                                       DType dtype);
std::unique_ptr<Kernel> prepare_reduce_backward(ReduceMember member, const ReduceExtents& extents,
                                                DType dtype);
}  // namespace cuda

}  // namespace engine
