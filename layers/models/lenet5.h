#pragma once

#include "engine/layers/models/registry.h"

namespace engine::models {

// 5x5 convolutions with 6 and 16 filters (times options.width), each followed by relu and 2x2
// max-pooling, then linear layers of 120 and 84 units and the logits. The first convolution pads by
// 2, so that 28 x 28 pictures are seen as the paper's 32 x 32.
// Parameters: "conv1", "conv2", "hidden1", "hidden2", "logits".
// Shapes: images [n, h, w, c], h and w at least 12 -> [n, outputs].
// Source: LeCun, Bottou, Bengio and Haffner 1998, "Gradient-based learning applied to document
// recognition". Deviations, as is usual today: relu for tanh, maximum for trainable averages, every
// map of the second convolution sees every map of the first, softmax for radial basis functions.
Value lenet5(const Scope& net, const Value& images, const ClassifierOptions& options);

}  // namespace engine::models
