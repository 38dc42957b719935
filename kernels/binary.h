#pragma once

#include "engine/core/graph.h"

namespace engine {

// Element-wise functions of two floating tensors. The shapes are equal, or one is a scalar, or the
// smaller one's shape is the end of the larger one's ([c] with [n, h, w, c]) and is repeated.
// Computed in f32. Gradients: both.
Value add(const Value& a, const Value& b);
Value subtract(const Value& a, const Value& b);
Value multiply(const Value& a, const Value& b);
Value divide(const Value& a, const Value& b);
Value maximum(const Value& a, const Value& b);  // ties: the gradient goes to a
Value minimum(const Value& a, const Value& b);

inline Value operator+(const Value& a, const Value& b) {
  return add(a, b);
}
inline Value operator-(const Value& a, const Value& b) {
  return subtract(a, b);
}
inline Value operator*(const Value& a, const Value& b) {
  return multiply(a, b);
}
inline Value operator/(const Value& a, const Value& b) {
  return divide(a, b);
}
Value operator+(const Value& a, float b);
Value operator-(const Value& a, float b);
Value operator*(const Value& a, float b);
Value operator-(float a, const Value& b);
Value operator*(float a, const Value& b);
Value operator/(const Value& a, float b);

}  // namespace engine
