#pragma once

#include <span>
#include <vector>

#include "engine/core/graph.h"

namespace engine {

// d loss / d each of `with_respect_to`, as new nodes of the same graph. `loss` must have one
// element. Gradients of a parameter have its shape; where the loss does not depend on a value, the
// gradient is zeros. Only nodes on a path from `with_respect_to` to `loss` get gradients, so frozen
// weights cost nothing.
// Throws when a node on such a path has no gradient.
std::vector<Value> gradients(const Value& loss, std::span<const Value> with_respect_to);

}  // namespace engine
