#pragma once

#include <cstdint>
#include <memory>

#include "engine/core/kernel.h"
#include "engine/core/random.h"

namespace engine::cpu {

enum class Distribution : std::uint8_t { uniform, normal };

// The stream of a random op in the step that `clock` ({seed low, seed high, step, 0}) shows.
RandomStream random_stream(const std::int32_t* clock, std::uint64_t name_hash);

// Inputs: clock; dropout: x, clock.
std::unique_ptr<Kernel> prepare_random(Distribution distribution, std::uint64_t name_hash,
                                       const PrepareContext& context);
std::unique_ptr<Kernel> prepare_dropout(float rate, std::uint64_t name_hash,
                                        const PrepareContext& context);
std::unique_ptr<Kernel> prepare_shuffled_rows(std::int64_t rows, std::uint64_t name_hash,
                                              const PrepareContext& context);

}  // namespace engine::cpu

namespace engine::cuda {

std::unique_ptr<Kernel> prepare_random(cpu::Distribution distribution, std::uint64_t name_hash,
                                       const PrepareContext& context);
std::unique_ptr<Kernel> prepare_dropout(float rate, std::uint64_t name_hash,
                                        const PrepareContext& context);
std::unique_ptr<Kernel> prepare_shuffled_rows(std::int64_t rows, std::uint64_t name_hash,
                                              const PrepareContext& context);

}  // namespace engine::cuda
