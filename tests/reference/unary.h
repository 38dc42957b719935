#pragma once

#include <cmath>

namespace engine::reference {

// One function with its derivative in terms of x and y = f(x), all in double.
struct Unary {
  double (*forward)(double x);
  double (*derivative)(double x, double y);
};

inline constexpr Unary kRelu = {[](double x) { return x < 0 ? 0 : x; },
                                [](double, double y) { return y <= 0 ? 0.0 : 1.0; }};
inline constexpr Unary kSigmoid = {
    [](double x) { return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)); },
    [](double, double y) { return y * (1 - y); }};
inline constexpr Unary kTanh = {[](double x) { return std::tanh(x); },
                                [](double, double y) { return 1 - y * y; }};
inline constexpr Unary kExp = {[](double x) { return std::exp(x); },
                               [](double, double y) { return y; }};
inline constexpr Unary kLog = {[](double x) { return std::log(x); },
                               [](double x, double) { return 1 / x; }};
inline constexpr Unary kSqrt = {[](double x) { return std::sqrt(x); },
                                [](double, double y) { return 0.5 / y; }};
inline constexpr Unary kSquare = {[](double x) { return x * x; },
                                  [](double x, double) { return 2 * x; }};
inline constexpr Unary kAbs = {[](double x) { return std::abs(x); },
                               [](double x, double) { return x == 0  ? 0.0
                                                             : x < 0 ? -1.0
                                                                     : 1.0; }};
inline constexpr Unary kNegate = {[](double x) { return -x; }, [](double, double) { return -1.0; }};

}  // namespace engine::reference
