#include "engine/kernels/unary.h"

#include <array>

#include "engine/core/errors.h"

namespace engine {
namespace {

struct MemberInfo {
  std::string_view name;
  bool reads_result;  // saving y instead of x lets the planner drop x
};

constexpr std::array<MemberInfo, 9> kMembers = {{
    {"relu", true},
    {"sigmoid", true},
    {"tanh", true},
    {"exp", true},
    {"log", false},
    {"sqrt", true},
    {"square", false},
    {"abs", false},
    {"negate", false},
}};

const MemberInfo& info_of(UnaryMember member) {
  return kMembers.at(static_cast<std::size_t>(member));
}

Value unary(UnaryMember member, const Value& x) {
  return Graph::of(x).add1(std::make_shared<UnaryOp>(member), {x}, name_of(member));
}

void check_type(const Op& op, const TensorType& type) {
  ENGINE_CHECK(type.dtype == DType::f32 || type.dtype == DType::bf16, op.attributes(),
               ": takes f32 or bf16, not ", type);
}

}  // namespace

std::string_view name_of(UnaryMember member) {
  return info_of(member).name;
}

bool backward_reads_result(UnaryMember member) {
  return info_of(member).reads_result;
}

std::vector<TensorType> UnaryOp::infer(std::span<const TensorType> inputs) const {
  ENGINE_CHECK(inputs.size() == 1, attributes(), ": takes one tensor, not ", inputs.size());
  check_type(*this, inputs[0]);
  return {inputs[0]};
}

std::vector<Value> UnaryOp::gradient(const GradientContext& context) const {
  const Value& dy = context.output_gradients[0];
  if (member_ == UnaryMember::negate) return {-dy};
  const Value& saved = backward_reads_result(member_) ? context.outputs[0] : context.inputs[0];
  return {Graph::of(dy).add1(std::make_shared<UnaryBackwardOp>(member_), {dy, saved},
                             join(name_of(member_), "_backward"))};
}

std::unique_ptr<Kernel> UnaryOp::prepare(const PrepareContext& context) const {
  if (context.device.is_cuda()) return cuda::prepare_unary(member_, context.inputs[0]);
  return cpu::prepare_unary(member_, context.inputs[0]);
}

std::vector<TensorType> UnaryBackwardOp::infer(std::span<const TensorType> inputs) const {
  ENGINE_CHECK(inputs.size() == 2 && inputs[0] == inputs[1], attributes(),
               "_backward: takes dy and a saved tensor of its type, got ",
               inputs.empty() ? TensorType{} : inputs[0], " and ",
               inputs.size() < 2 ? TensorType{} : inputs[1]);
  check_type(*this, inputs[0]);
  return {inputs[0]};
}

std::unique_ptr<Kernel> UnaryBackwardOp::prepare(const PrepareContext& context) const {
  if (context.device.is_cuda()) return cuda::prepare_unary_backward(member_, context.inputs[0]);
  return cpu::prepare_unary_backward(member_, context.inputs[0]);
}

Value relu(const Value& x) {
  return unary(UnaryMember::relu, x);
}
Value sigmoid(const Value& x) {
  return unary(UnaryMember::sigmoid, x);
}
Value tanh(const Value& x) {
  return unary(UnaryMember::tanh, x);
}
Value exp(const Value& x) {
  return unary(UnaryMember::exp, x);
}
Value log(const Value& x) {
  return unary(UnaryMember::log, x);
}
Value sqrt(const Value& x) {
  return unary(UnaryMember::sqrt, x);
}
Value square(const Value& x) {
  return unary(UnaryMember::square, x);
}
Value abs(const Value& x) {
  return unary(UnaryMember::abs, x);
}
Value operator-(const Value& x) {
  return unary(UnaryMember::negate, x);
}

}  // namespace engine
