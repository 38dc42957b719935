#include "engine/layers/normalization.h"

#include "engine/kernels/batch_norm.h"
#include "engine/kernels/binary.h"

namespace engine {
namespace {

// entry' = entry + weight * (value - entry), after what this step has made of the entry before:
// twin towers update the same statistics one after the other.
void move_towards(const Scope& scope, std::string_view name, const Value& value, float weight) {
  Graph& graph = scope.graph();
  const Value before = graph.next_state(scope.full_name(name));
  graph.replace_update(scope.full_name(name), before + (value - before) * weight);
}

}  // namespace

Value batch_norm(const Scope& scope, const Value& x, const BatchNormOptions& options) {
  const NameScope names = scope.name_nodes();
  const Shape& shape = x.shape();
  ENGINE_CHECK(shape.rank() >= 2, "batch_norm: ", scope.prefix(), ": x is ", x.type(),
               "; it must have axes to average over before the last");
  const Shape channels = {shape[-1]};
  const std::int64_t count = shape.slice(0, shape.rank() - 1).elements();
  const Value scale = scope.parameter("weight", channels, init::ones());
  const Value shift = scope.parameter("bias", channels, init::zeros());
  const Value mean = scope.state("running_mean", channels, init::zeros(), StateRole::statistic);
  const Value variance = scope.state("running_var", channels, init::ones(), StateRole::statistic);
  if (!scope.training()) {
    return batch_norm_inference(x, scale, shift, mean, variance, options.epsilon);
  }
  ENGINE_CHECK(count > 1, "batch_norm: ", scope.prefix(), ": x ", x.type(), " has ", count,
               " value per channel; training needs at least 2 for a variance");
  const BatchNormResult result = batch_norm_training(x, scale, shift, options.epsilon);
  const auto n = static_cast<float>(count);
  move_towards(scope, "running_mean", result.mean, options.momentum);
  move_towards(scope, "running_var", result.variance * (n / (n - 1)), options.momentum);
  return result.y;
}

}  // namespace engine
