#pragma once

#include <memory>

#include "engine/core/kernel.h"

namespace engine {

// Kernels of the structural ops (core/structural_ops.h). Private to the library.
std::unique_ptr<Kernel> prepare_cast(const PrepareContext& context);
std::unique_ptr<Kernel> prepare_copy(const PrepareContext& context);
std::unique_ptr<Kernel> prepare_add_n(const PrepareContext& context);
std::unique_ptr<Kernel> prepare_zeros(const PrepareContext& context);
std::unique_ptr<Kernel> prepare_advance_clock(const PrepareContext& context);

namespace cuda {
std::unique_ptr<Kernel> prepare_cast(const PrepareContext& context);
std::unique_ptr<Kernel> prepare_add_n(const PrepareContext& context);
std::unique_ptr<Kernel> prepare_advance_clock(const PrepareContext& context);
}  // namespace cuda

}  // namespace engine
