#include "engine/core/op.h"

#include "engine/core/errors.h"
#include "engine/core/graph.h"

namespace engine {

std::vector<Value> Op::gradient(const GradientContext&) const {
  throw InvalidArgument(join(name(), ": this op has no gradient"));
}

Cost Op::cost(std::span<const TensorType> inputs, std::span<const TensorType> outputs) const {
  Cost cost;
  for (const TensorType& type : inputs) cost.bytes += type.bytes();
  for (const TensorType& type : outputs) cost.bytes += type.bytes();
  return cost;
}

}  // namespace engine
