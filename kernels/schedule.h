#pragma once

#include "engine/core/graph.h"

namespace engine {

enum class Decay : std::uint8_t { cosine, linear };

struct Schedule {
  Decay decay = Decay::cosine;
  float peak = 0;
  float final_factor = 0;
  std::int64_t warmup_steps = 0;
  std::int64_t total_steps = 1;
};

// A scalar f32 from the clock's step t, computed in double and rounded once.
//   t < warmup: peak (t + 1) / warmup
//   later:      with s = min((t - warmup) / (total - warmup), 1) and d = (1 + cos(pi s)) / 2 or
//               1 - s: peak (final_factor + (1 - final_factor) d)
// Shapes: clock i32[4] -> scalar. Gradients: none.
Value schedule(const Value& clock, const Schedule& options);

}  // namespace engine
