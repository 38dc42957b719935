#include "engine/layers/models/mlp.h"

#include <string>

#include "engine/kernels/unary.h"
#include "engine/layers/dropout.h"
#include "engine/layers/linear.h"

namespace engine::models {
namespace {

Value perceptron(const Scope& net, const Value& images, const std::vector<std::int64_t>& hidden,
                 const ClassifierOptions& options) {
  Value x = flatten(images);
  for (std::size_t i = 0; i < hidden.size(); ++i) {
    x = relu(linear(net / ("hidden" + std::to_string(i + 1)), x, {.units = hidden[i]}));
  }
  if (options.dropout > 0) x = dropout(net / "dropout", x, {.rate = options.dropout});
  return linear(net / "logits", x, {.units = options.outputs});
}

}  // namespace

Value logistic(const Scope& net, const Value& images, const ClassifierOptions& options) {
  ENGINE_CHECK(options.hidden.empty(), "logistic: has no hidden layer; --hidden is for mlp");
  return perceptron(net, images, {}, options);
}

Value mlp(const Scope& net, const Value& images, const ClassifierOptions& options) {
  ENGINE_CHECK(options.hidden.size() <= 1, "mlp: has one hidden layer, got ", options.hidden.size(),
               " sizes; deep_mlp takes several");
  return perceptron(net, images,
                    options.hidden.empty() ? std::vector<std::int64_t>{128} : options.hidden,
                    options);
}

Value deep_mlp(const Scope& net, const Value& images, const ClassifierOptions& options) {
  return perceptron(
      net, images,
      options.hidden.empty() ? std::vector<std::int64_t>{256, 128, 64} : options.hidden, options);
}

}  // namespace engine::models
