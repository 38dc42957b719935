#include <algorithm>

#include "engine/core/errors.h"
#include "engine/core/graph_data.h"
#include "engine/core/passes.h"
#include "engine/core/source_ops.h"
#include "engine/core/structural_ops.h"

namespace engine {

namespace {

// Whether an input that does not keep its own type has this one.
bool takes(DType dtype, const Op& op, const std::vector<Value>& inputs) {
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].dtype() == dtype && !op.keeps_f32(static_cast<int>(i))) return true;
  }
  return false;
}

// The type that a node's floating inputs get; those that keep their own are left out.
DType working_type(const Op& op, const std::vector<Value>& inputs) {
  switch (op.precision()) {
    case PrecisionClass::matrix:  // f16 is there because the caller asked for it
      return takes(DType::f16, op, inputs) ? DType::f16 : DType::bf16;
    case PrecisionClass::f32:
      return DType::f32;
    case PrecisionClass::follow:
      break;
  }
  // One narrow input makes the node narrow: it follows the activations, not their casts.
  return takes(DType::bf16, op, inputs) ? DType::bf16 : DType::f32;
}

bool is_real(DType dtype) {
  return dtype == DType::f32 || dtype == DType::bf16;
}

}  // namespace

Precision parse_precision(std::string_view text) {
  for (Precision precision :
       {Precision::automatic, Precision::f32, Precision::tf32, Precision::bf16}) {
    if (name_of(precision) == text) return precision;
  }
  throw InvalidArgument(join("precision: \"", text, "\" is none of auto, f32, tf32, bf16"));
}

std::string_view name_of(Precision precision) {
  constexpr std::string_view kNames[] = {"auto", "f32", "tf32", "bf16"};
  return kNames[static_cast<int>(precision)];
}

Graph apply_precision(const Graph& graph, Precision precision) {
  ENGINE_CHECK(precision != Precision::automatic, "precision: auto must be decided before");
  GraphCopy copy(graph);
  for (const Node& node : graph.nodes()) {
    if (is_source(*node.op)) {
      copy.copy(node);
      continue;
    }
    std::vector<Value> inputs = copy.mapped(node.inputs);
    if (precision == Precision::bf16 && node.op->name() != "cast") {
      const DType type = working_type(*node.op, inputs);
      for (std::size_t i = 0; i < inputs.size(); ++i) {
        if (!is_real(inputs[i].dtype())) continue;
        // An input that keeps its type may come from a node that became narrow.
        const bool keeps = node.op->keeps_f32(static_cast<int>(i));
        inputs[i] = cast(inputs[i], keeps ? node.inputs[i].dtype() : type);
      }
    }
    copy.copy(node, std::move(inputs));
  }
  // Outputs and state keep the types that the caller declared.
  for (const auto& [name, value] : graph.outputs()) {
    const Value result = copy.mapped(value);
    if (result.dtype() != value.dtype()) copy.map(value, cast(result, value.dtype()));
  }
  return copy.finish();
}

}  // namespace engine
