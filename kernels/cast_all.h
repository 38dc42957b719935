#pragma once

#include <memory>
#include <vector>

#include "engine/core/graph.h"

namespace engine {

// cast(x, bf16) of several f32 values as one node, and so one launch on a GPU: what the precision
// pass asks for all parameters at the start of a step. The same bits as cast(). No gradient.
std::vector<Value> cast_all_to_bf16(const std::vector<Value>& values);

// The op behind it, seen by the fusion rule. Output i is input i as bf16.
class CastAllOp final : public Op {
 public:
  std::string_view name() const override { return "cast_all"; }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override;
  PrecisionClass precision() const override { return PrecisionClass::f32; }
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override;
};

namespace cuda {
std::unique_ptr<Kernel> prepare_cast_all(const PrepareContext& context);
}  // namespace cuda

}  // namespace engine
