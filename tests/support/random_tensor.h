#pragma once

#include <cstdint>
#include <random>
#include <utility>
#include <vector>

#include "engine/core/tensor.h"

namespace engine {

struct RandomRange {
  float low = -1;
  float high = 1;
};

// Uniform numbers, rounded to the storage type; integers lie in [low, high). The same seed, the
// same numbers.
inline Tensor random_tensor(const Shape& shape, DType dtype, std::uint32_t seed,
                            RandomRange range = {}) {
  std::mt19937 engine(seed);
  std::vector<float> values(static_cast<std::size_t>(shape.elements()));
  for (float& value : values) {
    const float unit = static_cast<float>(engine() >> 8) * 0x1p-24f;
    value = range.low + (range.high - range.low) * unit;
  }
  return Tensor::from(values, shape).to(dtype);
}

// Distinct numbers in random order, 1/64 apart and none nearer to 0 than 1/128: for maxima and
// kinks, where a tie would make the gradient ambiguous. In bf16 they are distinct up to 256
// elements.
inline Tensor distinct_tensor(const Shape& shape, DType dtype, std::uint32_t seed) {
  std::mt19937 engine(seed);
  std::vector<float> values(static_cast<std::size_t>(shape.elements()));
  const auto count = static_cast<std::int64_t>(values.size());
  for (std::int64_t i = 0; i < count; ++i) {
    values[i] = (static_cast<float>(i - count / 2) + 0.5f) / 64;
  }
  for (std::int64_t i = count - 1; i > 0; --i) {
    std::swap(values[i], values[engine() % static_cast<std::uint32_t>(i + 1)]);
  }
  return Tensor::from(values, shape).to(dtype);
}

}  // namespace engine
