#include "engine/core/init.h"

#include <cmath>

#include "engine/core/random.h"

namespace engine {
namespace init {

Init zeros() {
  return constant(0);
}
Init ones() {
  return constant(1);
}
Init constant(float value) {
  return {.kind = Init::Kind::constant, .a = value};
}
Init uniform(float low, float high) {
  return {Init::Kind::uniform, low, high};
}

Init normal(float standard_deviation, float mean) {
  return {Init::Kind::normal, mean, standard_deviation};
}

Init fan_in_uniform(std::int64_t fan_in) {
  ENGINE_CHECK(fan_in > 0, "fan_in_uniform: fan-in ", fan_in, " is not positive");
  const auto bound = static_cast<float>(1 / std::sqrt(static_cast<double>(fan_in)));
  return uniform(-bound, bound);
}

Init he_normal(std::int64_t fan_in) {
  ENGINE_CHECK(fan_in > 0, "he_normal: fan-in ", fan_in, " is not positive");
  return normal(static_cast<float>(std::sqrt(2 / static_cast<double>(fan_in))));
}

Init glorot_uniform(std::int64_t fan_in, std::int64_t fan_out) {
  ENGINE_CHECK(fan_in >= 0 && fan_out >= 0 && fan_in + fan_out > 0, "glorot_uniform: fan-in ",
               fan_in, " and fan-out ", fan_out, " do not add up to a positive number");
  const auto bound = static_cast<float>(std::sqrt(6 / static_cast<double>(fan_in + fan_out)));
  return uniform(-bound, bound);
}

}  // namespace init

Tensor initialize(const Init& init, const Shape& shape, DType dtype, std::uint64_t seed,
                  std::string_view name) {
  ENGINE_CHECK(dtype == DType::f32 || (dtype == DType::i32 && init.kind == Init::Kind::constant),
               "initialize: ", name, " has dtype ", dtype,
               "; f32 takes any initializer, i32 constants, others none");
  Tensor tensor = Tensor::empty(shape, dtype, Device::cpu());
  if (dtype == DType::i32) {
    for (std::int32_t& value : tensor.span<std::int32_t>()) {
      value = static_cast<std::int32_t>(init.a);
    }
    return tensor;
  }
  const std::span<float> values = tensor.span<float>();
  const RandomStream stream{.key = random_key(seed, hash_name(name))};
  switch (init.kind) {
    case Init::Kind::constant:
      for (float& value : values) value = init.a;
      break;
    case Init::Kind::uniform:
      fill_uniform(stream, values);
      for (float& value : values) value = init.a + (init.b - init.a) * value;
      break;
    case Init::Kind::normal:
      fill_normal(stream, values);
      for (float& value : values) value = init.a + init.b * value;
      break;
  }
  return tensor;
}

}  // namespace engine
