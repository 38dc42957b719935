#pragma once

#include "engine/core/graph.h"

namespace engine {

// Sums and means over a run of neighbouring axes [first, last), which disappear from the shape;
// without axes, over everything (a scalar). Accumulates in f32, in a fixed order.
// Dtypes: floating in, f32 out (f32 class). Gradients: x.
Value sum(const Value& x);
Value sum(const Value& x, int first_axis, int last_axis);
Value mean(const Value& x);
Value mean(const Value& x, int first_axis, int last_axis);

}  // namespace engine
