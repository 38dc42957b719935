#pragma once

#include "engine/layers/models/registry.h"

namespace engine::models {

// Networks on the flattened pixels, as the first weeks of a deep-learning course build them.
// Parameters: "logits", and "hidden1", "hidden2", ... where there are hidden layers.
// Shapes: images [n, h, w, c] -> [n, outputs].

// No hidden layer: the logits are linear in the pixels.
Value logistic(const Scope& net, const Value& images, const ClassifierOptions& options);
// One hidden layer with relu, 128 units unless options.hidden says otherwise (one number).
Value mlp(const Scope& net, const Value& images, const ClassifierOptions& options);
// Hidden layers of 256, 128 and 64 units, or as many as options.hidden has numbers.
Value deep_mlp(const Scope& net, const Value& images, const ClassifierOptions& options);

}  // namespace engine::models
