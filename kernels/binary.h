#pragma once

#include <memory>
#include <optional>
#include <string>

#include "engine/core/graph.h"
#include "engine/kernels/reduce.h"

namespace engine {

// Element-wise functions of two floating tensors. The shapes are equal, or the smaller one is
// repeated: it is a scalar, or its shape is the end of the larger one's ([c] with [n, h, w, c]), or
// it has one element along neighbouring axes of the larger one ([n, 1], or [n, 1, 1, c]). The
// result has the type of the larger one; a repeated one may be f32 beside bf16. Computed in f32.
// Gradients: both, summed over what was repeated.
Value add(const Value& a, const Value& b);
Value subtract(const Value& a, const Value& b);
Value multiply(const Value& a, const Value& b);
Value divide(const Value& a, const Value& b);
Value maximum(const Value& a, const Value& b);  // ties: the gradient goes to a; NaN stays
Value minimum(const Value& a, const Value& b);

inline Value operator+(const Value& a, const Value& b) {
  return add(a, b);
}
inline Value operator-(const Value& a, const Value& b) {
  return subtract(a, b);
}
inline Value operator*(const Value& a, const Value& b) {
  return multiply(a, b);
}
inline Value operator/(const Value& a, const Value& b) {
  return divide(a, b);
}
Value operator+(const Value& a, float b);
Value operator-(const Value& a, float b);
Value operator*(const Value& a, float b);
Value operator+(float a, const Value& b);
Value operator-(float a, const Value& b);
Value operator*(float a, const Value& b);
Value operator/(const Value& a, float b);
Value operator/(float a, const Value& b);

// `less` is 1 where a < b, else 0: the gradients of maximum and minimum use it.
enum class BinaryMember : std::uint8_t {
  add,
  subtract,
  multiply,
  divide,
  maximum,
  minimum,
  less,
  not_less
};

enum class Repeat : std::uint8_t { none, a, b };  // the operand that is smaller than the result
// The axes of `large` along which `small` is repeated; nothing where it does not fit.
std::optional<AxisRange> repeated_axes(const Shape& small, const Shape& large);

std::string_view name_of(BinaryMember member);

class BinaryOp final : public Op {
 public:
  explicit BinaryOp(BinaryMember member, Repeat repeat = Repeat::none)
      : member_(member), repeat_(repeat) {}
  BinaryMember member() const { return member_; }
  Repeat repeat() const { return repeat_; }

  std::string_view name() const override { return "binary"; }
  std::string attributes() const override;  // "add", "add repeat=b"
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::vector<Value> gradient(const GradientContext& context) const override;
  bool keeps_f32(int input) const override;
  std::vector<InPlacePair> in_place() const override;
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override;

 private:
  BinaryMember member_;
  Repeat repeat_;
};

namespace cpu {
std::unique_ptr<Kernel> prepare_binary(BinaryMember member, Repeat repeat,
                                       const PrepareContext& context);
}  // namespace cpu

namespace cuda {
std::unique_ptr<Kernel> prepare_binary(BinaryMember member, Repeat repeat,
                                       const PrepareContext& context);
}  // namespace cuda

}  // namespace engine
