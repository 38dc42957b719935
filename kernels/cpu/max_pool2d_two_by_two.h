#pragma once

#include "engine/kernels/pool2d.h"

namespace engine::cpu {

// For problems where Pool2dProblem::is_two_by_two() holds.
std::unique_ptr<Kernel> prepare_max_pool2d_two_by_two(const Pool2dProblem& problem,
                                                      MaxPool2dOp::Extras extras, DType dtype);
std::unique_ptr<Kernel> prepare_max_pool2d_backward_two_by_two(const Pool2dProblem& problem,
                                                               DType dtype);

}  // namespace engine::cpu
