#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "engine/core/cpu_clones.h"

// exp, log, tanh and sigmoid without branches or calls, so that loops over them vectorise. Bounds
// in units of the last place of the f32 result hold over all inputs, subnormal results included,
// with and without fused multiply-add; the tests sweep them against double. The polynomials are
// weighted least-maximum fits (Lawson 1961) of the remainders named beside them.
namespace engine::cpu {

// 1 ulp. exp(-inf) = 0, overflow gives inf.
ENGINE_ALWAYS_INLINE float vector_exp(float x) {
  constexpr float kLog2E = 1.44269504f, kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
  constexpr float kRound = 12582912.0f;  // adding 1.5 * 2^23 rounds to an integer
  float t = x < -104.0f ? -104.0f : x;   // NaN stays
  t = t > 89.0f ? 89.0f : t;
  const float shifted = t * kLog2E + kRound;
  const float n = shifted - kRound;
  const float r = (t - n * kLn2High) - n * kLn2Low;  // |r| <= ln(2) / 2; the first step is exact
  // (exp(r) - 1 - r) / r^2
  float p = 0.00138131424f;
  p = p * r + 0.00836941904f;
  p = p * r + 0.0416684568f;
  p = p * r + 0.166665148f;
  p = p * r + 0.499999931f;
  p = p * (r * r) + r;
  p = p + 1.0f;
  // 2^n in two factors: n reaches from -150 to 128, beyond what one exponent holds.
  const std::uint32_t k =
      std::bit_cast<std::uint32_t>(shifted) - std::bit_cast<std::uint32_t>(kRound);
  const auto half = static_cast<std::uint32_t>(static_cast<std::int32_t>(k) >> 1);
  const auto scale1 = std::bit_cast<float>((half + 127u) << 23);
  const auto scale2 = std::bit_cast<float>((k - half + 127u) << 23);
  return p * scale1 * scale2;
}

// 1 ulp. log(0) = -inf, log of a negative number is NaN.
ENGINE_ALWAYS_INLINE float vector_log(float x) {
  constexpr float kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
  const bool tiny = x < 1.17549435e-38f;
  const float scaled = tiny ? x * 8388608.0f : x;  // 2^23 makes subnormals normal
  const float extra = tiny ? -23.0f : 0.0f;
  // x = 2^e * m with m in [sqrt(1/2), sqrt(2)).
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(scaled) - 0x3f3504f3u;
  const float e = static_cast<float>(static_cast<std::int32_t>(bits) >> 23) + extra;
  const auto m = std::bit_cast<float>((bits & 0x007fffffu) + 0x3f3504f3u);
  const float f = m - 1.0f;
  // (log(1 + f) - f + f^2 / 2) / f^3
  float p = -0.0763442984f;
  p = p * f + 0.127615503f;
  p = p * f - 0.131601951f;
  p = p * f + 0.142017625f;
  p = p * f - 0.166233565f;
  p = p * f + 0.200012267f;
  p = p * f - 0.250008211f;
  p = p * f + 0.333333317f;
  const float square = f * f;
  float y = p * (square * f) + e * kLn2Low;
  y = y - 0.5f * square;
  y = (f + y) + e * kLn2High;
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  y = x == kInfinity ? kInfinity : y;
  y = x == 0.0f ? -kInfinity : y;
  y = x < 0.0f ? std::numeric_limits<float>::quiet_NaN() : y;
  return x != x ? x : y;
}

// 3 ulp.
ENGINE_ALWAYS_INLINE float vector_tanh(float x) {
  const float a = std::fabs(x);
  const float t = a * a;
  // (tanh(a) - a) / a^3 in t = a^2
  float p = -0.00570497836f;
  p = p * t + 0.0206390787f;
  p = p * t - 0.0537397122f;
  p = p * t + 0.133314422f;
  p = p * t - 0.333332819f;
  const float small = a + a * (t * p);
  const float large = 1.0f - 2.0f / (vector_exp(2.0f * a) + 1.0f);
  return std::copysign(a < 0.625f ? small : large, x);
}

// 3 ulp. exp is only taken of -|x|, so that neither end overflows.
ENGINE_ALWAYS_INLINE float vector_sigmoid(float x) {
  const float e = vector_exp(-std::fabs(x));
  return (x < 0.0f ? e : 1.0f) / (1.0f + e);
}

// log(1 + exp(-|x|)), 3 ulp: what cross entropies add to their linear part. In (0, log 2].
ENGINE_ALWAYS_INLINE float vector_softplus_tail(float x) {
  const float e = vector_exp(-std::fabs(x));
  // log(u) with u = 1 + e rounded, times e / (u - 1), corrects that rounding (Kahan's log1p).
  const float u = 1.0f + e;
  const float d = u - 1.0f;
  const float corrected = vector_log(u) * (e / d);
  return d == 0.0f ? e : corrected;
}

}  // namespace engine::cpu
