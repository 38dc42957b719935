#pragma once

#include <string_view>

#include "engine/core/graph.h"

namespace engine {

// Random tensors of the current step: a function of the clock (seed, step), `name` and the element
// alone. The same bits on every device.
Value random_uniform(Graph& graph, std::string_view name, const Shape& shape);  // [0, 1)
Value random_normal(Graph& graph, std::string_view name, const Shape& shape);   // N(0, 1), 2 ulp

// Zeroes each element with probability `rate` and divides the others by 1 - rate. The mask is
// recomputed in the backward pass, not stored. Dtypes: f32, bf16. 0 <= rate < 1.
Value dropout(const Value& x, std::string_view name, float rate);

// i32 [batch]: the rows that this step takes from a data set of `rows` rows, shuffled anew in each
// epoch by a keyed permutation. An epoch has rows / batch steps; the rest of its rows is left out.
// Throws when batch exceeds rows.
Value shuffled_rows(Graph& graph, std::string_view name, std::int64_t rows, std::int64_t batch);

}  // namespace engine
