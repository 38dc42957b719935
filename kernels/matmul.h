#pragma once

#include "engine/core/graph.h"

namespace engine {

struct MatmulOptions {
  bool transpose_a = false;
  bool transpose_b = false;

  bool operator==(const MatmulOptions&) const = default;
};

// Matrix product op(a) op(b), where op transposes on request.
// Shapes: op(a) [m, k], op(b) [k, n] -> [m, n].
// Dtypes: f32 or bf16 (matrix class); accumulates in f32. Gradients: a and b.
Value matmul(const Value& a, const Value& b, const MatmulOptions& options = {});

}  // namespace engine
