#pragma once

#include <memory>
#include <string>

#include "engine/core/graph.h"

namespace engine {

// Element-wise functions of one floating tensor; the result has the input's shape and dtype.
// Computed in f32: exp (on CUDA 2 ulp) and log to 1 ulp, sigmoid and tanh to 3 ulp of f32, then
// rounded to the dtype. NaN goes in and comes out, through relu too.
Value relu(const Value& x);     // max(x, 0); gradient 0 at 0
Value sigmoid(const Value& x);  // 1 / (1 + exp(-x)), no overflow at either end
Value tanh(const Value& x);
Value exp(const Value& x);
Value log(const Value& x);  // log(0) = -inf
Value sqrt(const Value& x);
Value square(const Value& x);
Value abs(const Value& x);  // gradient 0 at 0
Value operator-(const Value& x);

enum class UnaryMember : std::uint8_t { relu, sigmoid, tanh, exp, log, sqrt, square, abs, negate };

std::string_view name_of(UnaryMember member);
// Whether the backward op reads the result y; else it reads x.
bool backward_reads_result(UnaryMember member);

// y = f(x).
class UnaryOp final : public Op {
 public:
  explicit UnaryOp(UnaryMember member) : member_(member) {}
  UnaryMember member() const { return member_; }

  std::string_view name() const override { return "unary"; }
  std::string attributes() const override { return std::string(name_of(member_)); }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::vector<Value> gradient(const GradientContext& context) const override;
  std::vector<InPlacePair> in_place() const override { return {{0, 0}}; }
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override;

 private:
  UnaryMember member_;
};

// dx = dy * f'(x) from (dy, saved), where saved is y or x; both have one type.
class UnaryBackwardOp final : public Op {
 public:
  explicit UnaryBackwardOp(UnaryMember member) : member_(member) {}
  UnaryMember member() const { return member_; }

  std::string_view name() const override { return "unary_backward"; }
  std::string attributes() const override { return std::string(name_of(member_)); }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  std::vector<InPlacePair> in_place() const override { return {{0, 0}, {1, 0}}; }
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override;

 private:
  UnaryMember member_;
};

namespace cpu {
std::unique_ptr<Kernel> prepare_unary(UnaryMember member, const TensorType& type);
std::unique_ptr<Kernel> prepare_unary_backward(UnaryMember member, const TensorType& type);
}  // namespace cpu

namespace cuda {
std::unique_ptr<Kernel> prepare_unary(UnaryMember member, const TensorType& type);
std::unique_ptr<Kernel> prepare_unary_backward(UnaryMember member, const TensorType& type);
}  // namespace cuda

}  // namespace engine
