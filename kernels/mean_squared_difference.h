#pragma once

#include <memory>

#include "engine/core/graph.h"

namespace engine {

// mean((x - target)^2) in one pass, where the target does not change with x.
// Shapes: x and target alike -> scalar.
// Dtypes: x f32 or bf16 (follow), target f32, y f32. Computed in f32, in blocks of 4096 elements
//   whose sums are added in double: the same bits for every thread count. On CUDA the parts are
//   others, in an order that depends on the shape alone.
// Gradients: x: dy * 2 (x - target) / elements, in x's type. The target has none.
// Numerics: NaN in either reaches y. Nothing to average gives NaN.
// Scratch: 8 bytes a block.
Value mean_squared_difference(const Value& x, const Value& target);

namespace cpu {
std::unique_ptr<Kernel> prepare_mean_squared_difference(const TensorType& x);
// (dy, x, target) -> dx
std::unique_ptr<Kernel> prepare_mean_squared_difference_backward(const TensorType& x);
}  // namespace cpu
namespace cuda {
std::unique_ptr<Kernel> prepare_mean_squared_difference(const TensorType& x);
// (dy, x, target) -> dx
std::unique_ptr<Kernel> prepare_mean_squared_difference_backward(const TensorType& x);
}  // namespace cuda

}  // namespace engine
