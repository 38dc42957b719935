#pragma once

#include <memory>

#include "engine/kernels/gram.h"

// Gram matrices and their gradients by the products of panel_product.h: of the symmetric matrix
// only the panels up to the diagonal are computed, and nothing lies between the sums and the
// gradient that they are added to.
namespace engine::cpu {

// `context` is that of the gram op or of its gradient, whose order of inputs and outputs the
// kernels have.

// Whether the kernels below take the problem: some rows, channels in thirty-twos.
bool gram_panels_can(const GramProblem& problem, DType x);
// Whether they are expected to be faster than matmul too, on this processor.
bool gram_panels_are_faster(const GramProblem& problem, DType x);

std::unique_ptr<Kernel> gram_by_panels(const GramProblem& problem, const PrepareContext& context);
std::unique_ptr<Kernel> gram_backward_by_panels(const GramProblem& problem, bool adds,
                                                const PrepareContext& context);

}  // namespace engine::cpu
