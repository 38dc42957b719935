#pragma once

#include "engine/core/graph.h"

namespace engine {

struct ScheduleOptions {
  float peak = 1e-3f;      // rate after warm-up
  float final_factor = 0;  // rate at the end, as a share of the peak
  std::int64_t warmup_steps = 0;
  std::int64_t total_steps = 0;  // required
};

// Scalars computed on the device from the clock. The rate rises linearly over the warm-up (step t,
// counted from 0, takes peak (t + 1) / warmup_steps), then falls to the final one: along half a
// cosine (Loshchilov and Hutter 2017, arXiv:1608.03983, eq. 5), or along a line. After total_steps
// it stays there.
Value cosine_schedule(Graph& graph, const ScheduleOptions& options);
Value linear_schedule(Graph& graph, const ScheduleOptions& options);

}  // namespace engine
