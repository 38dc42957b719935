#pragma once

#include "engine/core/graph.h"

namespace engine {

// Element-wise functions of one floating tensor; the result has the input's shape and dtype.
// Computed in f32. NaN goes in and comes out, through relu too.
Value relu(const Value& x);     // max(x, 0)
Value sigmoid(const Value& x);  // 1 / (1 + exp(-x)), no overflow at either end
Value tanh(const Value& x);
Value exp(const Value& x);
Value log(const Value& x);  // log(0) = -inf
Value sqrt(const Value& x);
Value square(const Value& x);
Value abs(const Value& x);  // gradient 0 at 0
Value operator-(const Value& x);

}  // namespace engine
