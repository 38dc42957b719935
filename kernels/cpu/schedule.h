#pragma once

#include <memory>

#include "engine/core/kernel.h"
#include "engine/kernels/schedule.h"

namespace engine::cpu {

// Input: clock.
std::unique_ptr<Kernel> prepare_schedule(const Schedule& schedule);

}  // namespace engine::cpu

namespace engine::cuda {

std::unique_ptr<Kernel> prepare_schedule(const Schedule& schedule);

}  // namespace engine::cuda
