#pragma once

#include "engine/core/graph.h"

namespace engine {

struct BatchNormResult {
  Value y;         // x's shape and dtype
  Value mean;      // f32 [c], of this batch
  Value variance;  // f32 [c], of this batch, biased (divided by the count)
};

// Normalisation over all axes but the last with this batch's statistics.
//   y = (x - mean) / sqrt(variance + epsilon) * scale + shift
// Shapes: x [..., c], scale and shift f32 [c]. Dtypes: x f32 or bf16 (follow), statistics f32.
// Gradients: x, scale, shift. Source: Ioffe and Szegedy 2015, arXiv:1502.03167, algorithm 1.
BatchNormResult batch_norm_training(const Value& x, const Value& scale, const Value& shift,
                                    float epsilon);

// The same with given statistics. Gradients: x, scale, shift.
Value batch_norm_inference(const Value& x, const Value& scale, const Value& shift,
                           const Value& mean, const Value& variance, float epsilon);

}  // namespace engine
