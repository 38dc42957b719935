#pragma once

#include "engine/layers/models/registry.h"

namespace engine::models {

// Three times 3x3 convolution, relu and 2x2 max-pooling with 32, 64 and 128 filters (times
// options.width), one hidden layer of 128 units, the logits. Written for 64 x 64 photographs.
// Parameters: "32", "64", "128" (the filter counts), "hidden", "logit".
// Shapes: images [n, h, w, c], h and w at least 8 -> [n, outputs].
Value daynight(const Scope& net, const Value& images, const ClassifierOptions& options);

}  // namespace engine::models
