#pragma once

#include <cstdint>

namespace engine::samples {

// y[i] = 255 * x[i], rounded, of numbers in [0, 1]
void to_bytes(const float* x, std::uint8_t* y, int count);

}  // namespace engine::samples
