#pragma once

#include <cstdint>
#include <string_view>

#include "engine/core/tensor.h"

namespace engine {

// How a state entry begins. The numbers depend on the Store's seed and the entry's name alone.
struct Init {
  enum class Kind : std::uint8_t { constant, uniform, normal };
  Kind kind = Kind::constant;
  float a = 0;  // constant: the value; uniform: lower bound; normal: mean
  float b = 0;  // uniform: upper bound; normal: standard deviation

  bool operator==(const Init&) const = default;
};

namespace init {
Init zeros();
Init ones();
Init constant(float value);
Init uniform(float low, float high);
Init normal(float standard_deviation, float mean = 0);
// U(-1/sqrt(fan_in), 1/sqrt(fan_in)): what PyTorch gives convolutions and linear layers.
Init fan_in_uniform(std::int64_t fan_in);
// N(0, sqrt(2 / fan_in)): He et al. 2015, arXiv:1502.01852, eq. 10.
Init he_normal(std::int64_t fan_in);
// U(+-sqrt(6 / (fan_in + fan_out))): Glorot and Bengio 2010, eq. 16.
Init glorot_uniform(std::int64_t fan_in, std::int64_t fan_out);
}  // namespace init

// A CPU tensor filled by `init`, keyed by seed and name. f32 and i32 only (i32: constants).
Tensor initialize(const Init& init, const Shape& shape, DType dtype, std::uint64_t seed,
                  std::string_view name);

}  // namespace engine
