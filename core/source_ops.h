#pragma once

#include <string>

#include "engine/core/op.h"
#include "engine/core/tensor.h"

namespace engine {

// The ops at which a graph begins. They have no kernel: an executable gives their memory.

class InputOp final : public Op {
 public:
  InputOp(std::string input_name, TensorType type)
      : input_name(std::move(input_name)), type(type) {}
  std::string_view name() const override { return "input"; }
  std::string attributes() const override;
  std::vector<TensorType> infer(std::span<const TensorType>) const override { return {type}; }
  std::unique_ptr<Kernel> prepare(const PrepareContext&) const override { return nullptr; }

  const std::string input_name;
  const TensorType type;
};

class ConstantOp final : public Op {
 public:
  explicit ConstantOp(Tensor tensor) : tensor(std::move(tensor)) {}
  std::string_view name() const override { return "constant"; }
  std::string attributes() const override;  // type and content (a hash when long)
  std::vector<TensorType> infer(std::span<const TensorType>) const override {
    return {tensor.type()};
  }
  std::unique_ptr<Kernel> prepare(const PrepareContext&) const override { return nullptr; }

  const Tensor tensor;  // on the CPU
};

class ReadStateOp final : public Op {
 public:
  ReadStateOp(std::string state_name, TensorType type)
      : state_name(std::move(state_name)), type(type) {}
  std::string_view name() const override { return "read_state"; }
  std::string attributes() const override;
  std::vector<TensorType> infer(std::span<const TensorType>) const override { return {type}; }
  Effect effect() const override { return Effect::reads_state; }
  std::unique_ptr<Kernel> prepare(const PrepareContext&) const override { return nullptr; }

  const std::string state_name;
  const TensorType type;
};

bool is_source(const Op& op);  // one of the three

}  // namespace engine
