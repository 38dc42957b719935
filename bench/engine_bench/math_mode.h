#pragma once

#include <iterator>
#include <string_view>

#include "engine/core/device.h"
#include "engine/core/dtype.h"

namespace engine::bench {

// The numbers of a row: the type of its tensors, and what their factors may be rounded to. Sums are
// f32 in all of them.
enum class MathMode : std::uint8_t {
  f32,   // strictly
  tf32,  // f32 tensors; both sides may multiply them as tf32 (11 significant bits)
  bf16,
  f16,
};
inline constexpr MathMode kMathModes[] = {MathMode::f32, MathMode::tf32, MathMode::bf16,
                                          MathMode::f16};

// A number for each mode.
struct PerMathMode {
  double values[std::size(kMathModes)] = {};
  double& operator[](MathMode mode) { return values[static_cast<int>(mode)]; }
  double operator[](MathMode mode) const { return values[static_cast<int>(mode)]; }
};

std::string_view name_of(MathMode mode);
DType storage_of(MathMode mode);
// False where the device has no kernels at all for the mode; bf16 on the CPU is left to the ops,
// which say what the processor lacks.
bool can_compute(const Device& device, MathMode mode);
// A number as the mode's factors hold it. tf32: to nearest, halves away from zero, as the GPU's
// cvt.rna does (PTX ISA).
float rounded_to(MathMode mode, float value);

}  // namespace engine::bench
