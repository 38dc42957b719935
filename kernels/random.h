#pragma once

#include <string>
#include <string_view>

#include "engine/core/graph.h"

namespace engine {

// Random tensors of the current step: a function of the clock (seed, step), `name` and the element
// alone. The same bits on every device (normals: 2 ulp). A second
// call with a name that is taken goes by "name#2", and so on, and so gets other numbers. Gradients:
// none.
Value random_uniform(Graph& graph, std::string_view name, const Shape& shape);  // [0, 1)
Value random_normal(Graph& graph, std::string_view name, const Shape& shape);   // N(0, 1), 2 ulp

// Zeroes each element with probability `rate` and divides the others by 1 - rate. The mask is
// recomputed in the backward pass, not stored. Dtypes: f32, bf16. 0 <= rate < 1. Gradients: x.
// NaN and infinity give NaN where they are dropped.
Value dropout(const Value& x, std::string_view name, float rate);

// i32 [batch]: the rows that this step takes from a data set of `rows` rows, shuffled anew in each
// epoch by a keyed permutation. An epoch has rows / batch steps; the rest of its rows is left out.
// Throws when batch exceeds rows.
Value shuffled_rows(Graph& graph, std::string_view name, std::int64_t rows, std::int64_t batch);

// `name`, with a suffix where a random op of the graph has it: what all of the above go by.
std::string unused_random_name(const Graph& graph, std::string_view name);

}  // namespace engine
