#pragma once

#include <vector>

#include "engine/core/scope.h"
#include "engine/core/store.h"

namespace engine {

// Keeps the latest `capacity` values of a scalar on the device, one a step, without stopping it.
void record(const Scope& scope, std::string_view name, const Value& scalar,
            std::int64_t capacity = 4096);

// The recorded values of steps [first, last), oldest first. Throws when some were overwritten or
// not made yet. `name` is the full name of the entry.
std::vector<float> recorded(const Store& store, std::string_view name, std::int64_t first,
                            std::int64_t last);

}  // namespace engine
