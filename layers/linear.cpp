#include "engine/layers/linear.h"

#include "engine/core/structural_ops.h"
#include "engine/kernels/binary.h"
#include "engine/kernels/matmul.h"

namespace engine {

Value linear(const Scope& scope, const Value& x, const LinearOptions& options) {
  const NameScope names = scope.name_nodes();
  ENGINE_CHECK(x.shape().rank() == 2, "linear: ", scope.prefix(), ": x is ", x.type(),
               "; it must be [n, features] (see flatten)");
  ENGINE_CHECK(options.units > 0, "linear: ", scope.prefix(), ": units is ", options.units,
               "; it must be given and positive");
  const std::int64_t features = x.shape()[1];
  const Init init = init::fan_in_uniform(features);
  const Value weight = scope.parameter("weight", {options.units, features}, init);
  const Value y = matmul(x, weight, {.transpose_b = true});
  return options.bias ? add(y, scope.parameter("bias", {options.units}, init)) : y;
}

Value flatten(const Value& x) {
  const Shape& shape = x.shape();
  ENGINE_CHECK(shape.rank() >= 1, "flatten: ", x.type(), " has no first axis to keep");
  return reshape(x, {shape[0], shape.slice(1, shape.rank()).elements()});
}

}  // namespace engine
