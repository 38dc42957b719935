#pragma once

#include <memory>

#include "engine/core/kernel.h"

namespace engine::cpu {

// Inputs: table, rows.
std::unique_ptr<Kernel> prepare_gather_rows(const PrepareContext& context);

}  // namespace engine::cpu

namespace engine::cuda {

std::unique_ptr<Kernel> prepare_gather_rows(const PrepareContext& context);

}  // namespace engine::cuda
