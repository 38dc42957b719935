#include "engine/layers/conv2d.h"

#include "engine/kernels/binary.h"

namespace engine {

Value conv2d(const Scope& scope, const Value& x, const Conv2dOptions& options) {
  const NameScope names = scope.name_nodes();
  const std::string name = scope.prefix();
  ENGINE_CHECK(x.shape().rank() == 4, "conv2d: ", name, ": x is ", x.type(),
               "; it must be [n, h, w, channels]");
  const std::int64_t channels = x.shape()[3];
  ENGINE_CHECK(options.filters > 0, "conv2d: ", name, ": filters is ", options.filters,
               "; it must be given and positive");
  ENGINE_CHECK(options.kernel.h > 0 && options.kernel.w > 0, "conv2d: ", name, ": kernel ",
               options.kernel, " is not positive");
  ENGINE_CHECK(options.groups > 0 && channels % options.groups == 0, "conv2d: ", name, ": ",
               channels, " channels do not divide into ", options.groups, " groups");
  const std::int64_t group_channels = channels / options.groups;
  const Shape weights{options.filters, options.kernel.h, options.kernel.w, group_channels};
  const Init init = init::fan_in_uniform(weights.slice(1, 4).elements());
  const Value weight = scope.parameter("weight", weights, init);
  const Value y = conv2d(x, weight,
                         {.stride = options.stride,
                          .padding = options.padding,
                          .dilation = options.dilation,
                          .groups = options.groups});
  return options.bias ? add(y, scope.parameter("bias", {options.filters}, init)) : y;
}

}  // namespace engine
