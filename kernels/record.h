#pragma once

#include "engine/core/graph.h"

namespace engine {

// ring' = ring with ring[step % capacity] = value. Shapes: ring f32 [capacity], value a scalar.
Value record_in_ring(const Value& ring, const Value& value, const Value& clock);

}  // namespace engine
