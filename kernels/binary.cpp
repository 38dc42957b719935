#include "engine/kernels/binary.h"

#include <algorithm>
#include <array>

#include "engine/core/structural_ops.h"
#include "engine/kernels/reduce.h"
#include "engine/kernels/unary.h"

namespace engine {
namespace {

constexpr std::array<std::string_view, 8> kNames = {"add",     "subtract", "multiply", "divide",
                                                    "maximum", "minimum",  "less",     "not_less"};

Value binary(BinaryMember member, const Value& a, const Value& b) {
  Repeat repeat = Repeat::none;
  if (a.shape() != b.shape()) {
    const bool repeats_b = repeated_axes(b.shape(), a.shape()).has_value();
    ENGINE_CHECK(repeats_b || repeated_axes(a.shape(), b.shape()), name_of(member), ": shapes ",
                 a.shape(), " and ", b.shape(),
                 " are not equal, and neither is a scalar, the end of the other, or 1 along "
                 "neighbouring axes of it");
    repeat = repeats_b ? Repeat::b : Repeat::a;
  }
  return Graph::of(a).add1(std::make_shared<BinaryOp>(member, repeat), {a, b}, name_of(member));
}

// The gradient of an operand that may have been repeated.
Value reduced_to(const Value& operand, const Value& gradient) {
  Value result = gradient;
  if (operand.shape() != gradient.shape()) {
    result = sum(gradient, *repeated_axes(operand.shape(), gradient.shape()));
    if (result.shape() != operand.shape()) result = reshape(result, operand.shape());
  }
  return cast(result, operand.dtype());
}

}  // namespace

std::string_view name_of(BinaryMember member) {
  return kNames.at(static_cast<std::size_t>(member));
}

std::optional<AxisRange> repeated_axes(const Shape& small, const Shape& large) {
  const int more = large.rank() - small.rank();
  if (more < 0) return {};
  if (more > 0) {
    const bool is_end = std::equal(small.begin(), small.end(), large.begin() + more);
    return is_end ? std::optional(AxisRange{0, more}) : std::nullopt;
  }
  AxisRange axes;
  for (int axis = 0; axis < large.rank(); ++axis) {
    if (small[axis] == large[axis]) continue;
    if (axes.last == 0) axes.first = axis;
    axes.last = axis + 1;
  }
  const auto is_one = [](std::int64_t extent) { return extent == 1; };
  const bool fits = std::all_of(small.begin() + axes.first, small.begin() + axes.last, is_one);
  return fits ? std::optional(axes) : std::nullopt;
}

std::string BinaryOp::attributes() const {
  std::string text(name_of(member_));
  if (repeat_ != Repeat::none) text += repeat_ == Repeat::a ? " repeat=a" : " repeat=b";
  return text;
}

std::vector<TensorType> BinaryOp::infer(std::span<const TensorType> inputs) const {
  ENGINE_CHECK(inputs.size() == 2, name_of(member_), ": takes two tensors, not ", inputs.size());
  const TensorType& large = inputs[repeat_ == Repeat::a ? 1 : 0];
  const TensorType& other = inputs[repeat_ == Repeat::a ? 0 : 1];
  ENGINE_CHECK(large.dtype == DType::f32 || large.dtype == DType::bf16, name_of(member_),
               ": takes f32 or bf16, not ", large);
  ENGINE_CHECK(repeat_ == Repeat::none ? large.shape == other.shape
                                       : repeated_axes(other.shape, large.shape).has_value(),
               attributes(), ": shapes ", inputs[0].shape, " and ", inputs[1].shape);
  ENGINE_CHECK(other.dtype == large.dtype || (repeat_ != Repeat::none && other.dtype == DType::f32),
               name_of(member_), ": types ", inputs[0], " and ", inputs[1],
               "; they must be alike, or the repeated one f32");
  return {large};
}

std::vector<Value> BinaryOp::gradient(const GradientContext& context) const {
  const Value &a = context.inputs[0], &b = context.inputs[1], &y = context.outputs[0];
  const Value& dy = context.output_gradients[0];
  const auto gradient_of = [&](int input) -> Value {
    switch (member_) {
      case BinaryMember::add:
        return dy;
      case BinaryMember::subtract:
        return input == 0 ? dy : -dy;
      case BinaryMember::multiply:
        return dy * (input == 0 ? b : a);
      case BinaryMember::divide:
        return input == 0 ? dy / b : -(dy * (y / b));
      case BinaryMember::maximum:
        return dy * binary(input == 0 ? BinaryMember::not_less : BinaryMember::less, a, b);
      case BinaryMember::minimum:
        return dy * binary(input == 0 ? BinaryMember::not_less : BinaryMember::less, b, a);
      default:
        return Value();  // piecewise constant
    }
  };
  std::vector<Value> result(2);
  for (int input = 0; input < 2; ++input) {
    if (!context.wanted[input]) continue;
    const Value gradient = gradient_of(input);
    if (gradient) result[input] = reduced_to(context.inputs[input], gradient);
  }
  return result;
}

bool BinaryOp::keeps_f32(int input) const {
  return repeat_ == (input == 0 ? Repeat::a : Repeat::b);
}

std::vector<InPlacePair> BinaryOp::in_place() const {
  switch (repeat_) {
    case Repeat::a:
      return {{1, 0}};
    case Repeat::b:
      return {{0, 0}};
    default:
      return {{0, 0}, {1, 0}};
  }
}

std::unique_ptr<Kernel> BinaryOp::prepare(const PrepareContext& context) const {
  if (context.device.is_cuda()) return cuda::prepare_binary(member_, repeat_, context);
  return cpu::prepare_binary(member_, repeat_, context);
}

Value add(const Value& a, const Value& b) {
  return binary(BinaryMember::add, a, b);
}
Value subtract(const Value& a, const Value& b) {
  return binary(BinaryMember::subtract, a, b);
}
Value multiply(const Value& a, const Value& b) {
  return binary(BinaryMember::multiply, a, b);
}
Value divide(const Value& a, const Value& b) {
  return binary(BinaryMember::divide, a, b);
}
Value maximum(const Value& a, const Value& b) {
  return binary(BinaryMember::maximum, a, b);
}
Value minimum(const Value& a, const Value& b) {
  return binary(BinaryMember::minimum, a, b);
}

Value operator+(const Value& a, float b) {
  return a + Graph::of(a).constant(b);
}
Value operator-(const Value& a, float b) {
  return a - Graph::of(a).constant(b);
}
Value operator*(const Value& a, float b) {
  return a * Graph::of(a).constant(b);
}
Value operator+(float a, const Value& b) {
  return b + a;
}
Value operator-(float a, const Value& b) {
  return Graph::of(b).constant(a) - b;
}
Value operator*(float a, const Value& b) {
  return b * a;
}
Value operator/(const Value& a, float b) {
  return a / Graph::of(a).constant(b);
}
Value operator/(float a, const Value& b) {
  return Graph::of(b).constant(a) / b;
}

}  // namespace engine
