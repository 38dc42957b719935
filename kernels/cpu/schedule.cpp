#include "engine/kernels/cpu/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace engine::cpu {

std::unique_ptr<Kernel> prepare_schedule(const Schedule& schedule) {
  return make_kernel([=](const Stream&, const Buffers& buffers) {
    const double step = static_cast<std::uint32_t>(buffers.in<std::int32_t>(0)[2]);
    const auto warmup = static_cast<double>(schedule.warmup_steps);
    const auto total = static_cast<double>(schedule.total_steps);
    double factor = 1;
    if (step < warmup) {
      factor = (step + 1) / warmup;
    } else {
      const double done = std::min((step - warmup) / (total - warmup), 1.0);
      const double decay =
          schedule.decay == Decay::cosine ? (1 + std::cos(std::numbers::pi * done)) / 2 : 1 - done;
      factor = schedule.final_factor + (1 - double{schedule.final_factor}) * decay;
    }
    *buffers.out<float>(0) = static_cast<float>(schedule.peak * factor);
  });
}

}  // namespace engine::cpu
