#pragma once

#include "engine/core/scope.h"

namespace engine {

struct BatchNormOptions {
  float momentum = 0.1f;  // weight of the new batch in the running statistics
  float epsilon = 1e-5f;
};

// Batch normalisation over all axes but the last. Parameters "weight" (ones) and "bias" (zeros),
// statistics "running_mean" and "running_var", all f32 [c]. In training it normalises with the
// batch's statistics and updates the running ones (with the unbiased variance, as PyTorch does); in
// inference it uses the running ones.
Value batch_norm(const Scope& scope, const Value& x, const BatchNormOptions& options = {});

}  // namespace engine
