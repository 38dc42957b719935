#pragma once

#include "engine/core/scope.h"

namespace engine {

struct LinearOptions {
  std::int64_t units = 0;  // output features; required
  bool bias = true;
};

// x weight^T + bias with "weight" [units, in] and "bias" [units], both U(+-1/sqrt(in)).
// Shapes: x [n, in] -> [n, units].
Value linear(const Scope& scope, const Value& x, const LinearOptions& options);

// [n, ...] -> [n, product of the rest].
Value flatten(const Value& x);

}  // namespace engine
