#pragma once

#include "engine/core/errors.h"
#include "engine/core/op.h"

namespace engine {

// For Op::prepare on a device that has no kernel for the op.
[[noreturn]] inline void throw_no_kernel(const Op& op, const Device& device) {
  throw InvalidArgument(join(op.name(), ": there is no kernel for ", device));
}

}  // namespace engine
