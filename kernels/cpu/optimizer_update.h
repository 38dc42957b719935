#pragma once

#include <memory>

#include "engine/core/kernel.h"
#include "engine/kernels/optimizer_update.h"

namespace engine::cpu {

// Inputs: learning rate, gradient scale, clock, then `count` parameters, gradients and slots.
std::unique_ptr<Kernel> prepare_sgd_update(const SgdUpdate& options, int count,
                                           const PrepareContext& context);
std::unique_ptr<Kernel> prepare_adam_update(const AdamUpdate& options, int count,
                                            const PrepareContext& context);
// Inputs: the values.
std::unique_ptr<Kernel> prepare_squared_norm(const PrepareContext& context);

}  // namespace engine::cpu

namespace engine::cuda {

std::unique_ptr<Kernel> prepare_sgd_update(const SgdUpdate& options, int count,
                                           const PrepareContext& context);
std::unique_ptr<Kernel> prepare_adam_update(const AdamUpdate& options, int count,
                                            const PrepareContext& context);
std::unique_ptr<Kernel> prepare_squared_norm(const PrepareContext& context);

}  // namespace engine::cuda
