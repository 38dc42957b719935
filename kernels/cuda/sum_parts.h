#pragma once

#include <cstdint>

#include "engine/core/stream.h"

namespace engine::cuda {

// y[i] = parts[0][i] + parts[1][i] + ... for i < count: the second stage of sums whose parts blocks
// have made. The order depends on the extents alone.
void sum_parts(const Stream& stream, const float* parts, int part_count, std::int64_t count,
               float* y);

}  // namespace engine::cuda
