#pragma once

#include "engine/core/scope.h"

namespace engine {

struct DropoutOptions {
  float rate = 0.5f;
};

// kernels/random.h's dropout in training, the identity in inference.
Value dropout(const Scope& scope, const Value& x, const DropoutOptions& options = {});

}  // namespace engine
