#include "engine/layers/models/daynight.h"

#include "engine/kernels/pool2d.h"
#include "engine/kernels/unary.h"
#include "engine/layers/conv2d.h"
#include "engine/layers/dropout.h"
#include "engine/layers/linear.h"

namespace engine::models {

Value daynight(const Scope& net, const Value& images, const ClassifierOptions& options) {
  ENGINE_CHECK(images.shape()[1] >= 8 && images.shape()[2] >= 8, "daynight: images ",
               images.shape(), " are smaller than 8 x 8");
  ENGINE_CHECK(options.hidden.size() <= 1, "daynight: has one hidden layer, got ",
               options.hidden.size(), " sizes");
  Value x = images;
  for (const std::int64_t base : {32, 64, 128}) {
    const std::int64_t filters = base * options.width;
    x = relu(conv2d(net / filters, x, {.filters = filters, .kernel = 3, .padding = 1}));
    x = max_pool2d(x, {.window = 2});
  }
  const std::int64_t units = options.hidden.empty() ? 128 : options.hidden.front();
  x = relu(linear(net / "hidden", flatten(x), {.units = units}));
  if (options.dropout > 0) x = dropout(net / "dropout", x, {.rate = options.dropout});
  return linear(net / "logit", x, {.units = options.outputs});
}

}  // namespace engine::models
