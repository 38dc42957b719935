#include "engine/layers/models/lenet5.h"

#include <string>

#include "engine/kernels/pool2d.h"
#include "engine/kernels/unary.h"
#include "engine/layers/conv2d.h"
#include "engine/layers/dropout.h"
#include "engine/layers/linear.h"

namespace engine::models {

Value lenet5(const Scope& net, const Value& images, const ClassifierOptions& options) {
  ENGINE_CHECK(images.shape()[1] >= 12 && images.shape()[2] >= 12, "lenet5: images ",
               images.shape(), " are smaller than 12 x 12");
  ENGINE_CHECK(options.hidden.empty() || options.hidden.size() == 2,
               "lenet5: has two hidden layers, got ", options.hidden.size(), " sizes");
  const std::vector<std::int64_t> hidden =
      options.hidden.empty() ? std::vector<std::int64_t>{120, 84} : options.hidden;
  Value x = relu(
      conv2d(net / "conv1", images, {.filters = 6 * options.width, .kernel = 5, .padding = 2}));
  x = max_pool2d(x, {.window = 2});
  x = relu(conv2d(net / "conv2", x, {.filters = 16 * options.width, .kernel = 5}));
  x = flatten(max_pool2d(x, {.window = 2}));
  for (std::size_t i = 0; i < hidden.size(); ++i) {
    x = relu(linear(net / ("hidden" + std::to_string(i + 1)), x, {.units = hidden[i]}));
  }
  if (options.dropout > 0) x = dropout(net / "dropout", x, {.rate = options.dropout});
  return linear(net / "logits", x, {.units = options.outputs});
}

}  // namespace engine::models
