#pragma once

#include <memory>
#include <vector>

#include "engine/core/graph.h"

namespace engine {

// The ops that core itself knows; all run on every device.

// The same elements as another type. f32 -> bf16 and f16 round to nearest even; floating -> integer
// truncates and saturates, NaN gives 0. Gradients: floating to floating.
Value cast(const Value& x, DType dtype);

// The same elements under another shape. Never copies. Gradients: x.
Value reshape(const Value& x, const Shape& shape);

// The sum of equally shaped values, in order, accumulated in f32.
Value add_n(const std::vector<Value>& values);

// A tensor of zeros.
Value zeros(Graph& graph, const Shape& shape, DType dtype = DType::f32);

// The conversion behind cast(), on CPU memory.
void convert_elements(const void* from, DType from_dtype, void* to, DType to_dtype,
                      std::int64_t count, int threads);

// Stops gradients: the value itself, without a path back.
Value stop_gradient(const Value& x);

}  // namespace engine
