#pragma once

#include <memory>

#include "engine/core/kernel.h"

namespace engine::cpu {

// Inputs: ring, value, clock.
std::unique_ptr<Kernel> prepare_record_in_ring(const PrepareContext& context);

}  // namespace engine::cpu

namespace engine::cuda {

std::unique_ptr<Kernel> prepare_record_in_ring(const PrepareContext& context);

}  // namespace engine::cuda
