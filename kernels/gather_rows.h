#pragma once

#include "engine/core/graph.h"

namespace engine {

// y[i] = table[rows[i]] for the first axis. Rows outside the table are clamped to it.
// Shapes: table [r, ...], rows i32 [n] -> [n, ...]. Dtypes: any. Gradients: none.
Value gather_rows(const Value& table, const Value& rows);

}  // namespace engine
