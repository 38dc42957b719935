#pragma once

#include <memory>

#include "engine/core/graph.h"

namespace engine {

// -log softmax(logits)[label], row by row, with the maximum taken out first.
// Shapes: logits [n, classes], labels i32 [n] -> f32 [n]. f32 class. Gradients: logits.
// A label outside [0, classes) gives NaN. exp and log within 3 ulp; the sum over a row in f32.
Value softmax_cross_entropy(const Value& logits, const Value& labels);

// max(z, 0) - z t + log(1 + exp(-|z|)), element by element.
// Shapes: logits and targets (f32 in [0, 1]) alike -> f32, the same shape. Gradients: logits.
Value binary_cross_entropy_with_logits(const Value& logits, const Value& targets);

// Softmax over the last axis. Dtypes: f32 class. Gradients: x.
Value softmax(const Value& x);

namespace cpu {
std::unique_ptr<Kernel> prepare_softmax(std::int64_t rows, std::int64_t classes);
// (dy, y) -> dx
std::unique_ptr<Kernel> prepare_softmax_backward(std::int64_t rows, std::int64_t classes);
// (logits, labels) -> loss
std::unique_ptr<Kernel> prepare_softmax_cross_entropy(std::int64_t rows, std::int64_t classes);
// (dloss, logits, labels) -> dlogits
std::unique_ptr<Kernel> prepare_softmax_cross_entropy_backward(std::int64_t rows,
                                                               std::int64_t classes);
// (logits, targets) -> loss
std::unique_ptr<Kernel> prepare_binary_cross_entropy(std::int64_t count);
// (dloss, logits, targets) -> dlogits
std::unique_ptr<Kernel> prepare_binary_cross_entropy_backward(std::int64_t count);
}  // namespace cpu

namespace cuda {
std::unique_ptr<Kernel> prepare_softmax(std::int64_t rows, std::int64_t classes);
std::unique_ptr<Kernel> prepare_softmax_backward(std::int64_t rows, std::int64_t classes);
std::unique_ptr<Kernel> prepare_softmax_cross_entropy(std::int64_t rows, std::int64_t classes);
std::unique_ptr<Kernel> prepare_softmax_cross_entropy_backward(std::int64_t rows,
                                                               std::int64_t classes);
std::unique_ptr<Kernel> prepare_binary_cross_entropy(std::int64_t count);
std::unique_ptr<Kernel> prepare_binary_cross_entropy_backward(std::int64_t count);
}  // namespace cuda

}  // namespace engine
