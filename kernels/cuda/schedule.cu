// The learning rate's schedule on CUDA: one thread, as long as a launch.
#include <cstdint>

#include "engine/core/cuda/device_code.h"
#include "engine/core/cuda/launch.h"
#include "engine/kernels/cpu/schedule.h"

namespace engine::cuda {

namespace {

__global__ void schedule_kernel(const std::int32_t* clock,
                                const __grid_constant__ Schedule schedule, float* rate) {
  const double step = static_cast<std::uint32_t>(clock[2]);
  const auto warmup = static_cast<double>(schedule.warmup_steps);
  const auto total = static_cast<double>(schedule.total_steps);
  double factor = 1;
  if (step < warmup) {
    factor = (step + 1) / warmup;
  } else {
    const double past = (step - warmup) / (total - warmup);
    const double done = past < 1 ? past : 1;
    constexpr double kPi = 0x1.921fb54442d18p+1;
    const double decay = schedule.decay == Decay::cosine ? (1 + cos(kPi * done)) / 2 : 1 - done;
    factor = schedule.final_factor + (1 - static_cast<double>(schedule.final_factor)) * decay;
  }
  *rate = static_cast<float>(schedule.peak * factor);
}

}  // namespace

std::unique_ptr<Kernel> prepare_schedule(const Schedule& schedule) {
  return make_kernel([=](const Stream& stream, const Buffers& buffers) {
    ENGINE_LAUNCH(schedule_kernel, (LaunchConfig{.grid = dim3(1), .block = dim3(1)}),
                  stream_of(stream), buffers.in<std::int32_t>(0), schedule, buffers.out<float>(0));
  });
}

}  // namespace engine::cuda
