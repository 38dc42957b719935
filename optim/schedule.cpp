#include "engine/optim/schedule.h"

#include "engine/kernels/schedule.h"

namespace engine {
namespace {

Value add_schedule(Graph& graph, std::string_view name, Decay decay,
                   const ScheduleOptions& options) {
  ENGINE_CHECK(options.warmup_steps >= 0 && options.total_steps > options.warmup_steps, name,
               ": warmup_steps ", options.warmup_steps, ", total_steps ", options.total_steps,
               "; the total must exceed the warm-up");
  return schedule(graph.clock(), {.decay = decay,
                                  .peak = options.peak,
                                  .final_factor = options.final_factor,
                                  .warmup_steps = options.warmup_steps,
                                  .total_steps = options.total_steps});
}

}  // namespace

Value cosine_schedule(Graph& graph, const ScheduleOptions& options) {
  return add_schedule(graph, "cosine_schedule", Decay::cosine, options);
}

Value linear_schedule(Graph& graph, const ScheduleOptions& options) {
  return add_schedule(graph, "linear_schedule", Decay::linear, options);
}

}  // namespace engine
