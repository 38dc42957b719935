#pragma once

#include <vector>

#include <nlohmann/json.hpp>

#include "engine/apps/style_transfer/settings.h"

namespace engine::apps::style_transfer {

// Seconds until the last scale is done, when `seconds` went into the iterations up to `step`, of
// which the last ones belong to scale number `scale`. An iteration's time grows with its pixels.
double time_left(const std::vector<Scale>& scales, std::size_t scale, std::int64_t step,
                 double seconds);

// The median of the metrics' rows at this size; 0 where there are fewer than two.
double seconds_per_iteration(const std::vector<nlohmann::json>& rows, int size);

}  // namespace engine::apps::style_transfer
