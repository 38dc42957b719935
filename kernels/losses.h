#pragma once

#include "engine/core/graph.h"

namespace engine {

// -log softmax(logits)[label], row by row, with the maximum taken out first.
// Shapes: logits [n, classes], labels i32 [n] -> f32 [n]. f32 class. Gradients: logits.
// A label outside [0, classes) gives NaN.
Value softmax_cross_entropy(const Value& logits, const Value& labels);

// max(z, 0) - z t + log(1 + exp(-|z|)), element by element.
// Shapes: logits and targets (f32 in [0, 1]) alike -> f32, the same shape. Gradients: logits.
Value binary_cross_entropy_with_logits(const Value& logits, const Value& targets);

// Softmax over the last axis. Dtypes: f32 class. Gradients: x.
Value softmax(const Value& x);

}  // namespace engine
