#pragma once

#include <memory>
#include <string>

#include "engine/kernels/conv2d.h"
#include "engine/kernels/matmul.h"

// All of oneDNN that the library uses, for the API of 2.6 and that of 3.x. Nothing includes its
// headers outside kernels/cpu/onednn*.
//
// Each kernel has an engine and a stream of its own and runs on the device's thread count. Data
// stays in our layouts; what oneDNN is only fast with in a blocked layout (weights and their
// gradients) is reordered through scratch in each run, or once in prepare where the data is frozen.
// oneDNN allocates a few small blocks of host memory in each execute call; nothing proportional to
// the data. Every function throws InvalidArgument where oneDNN has no implementation for the types
// on this processor.
namespace engine::cpu {

std::string onednn_version();  // of the library loaded now, "2.6.3"; may be newer than the headers
bool onednn_uses_avx512();     // false too where its environment variables forbid it

// The order of inputs and outputs is that of the graph ops. No extent may be 0.
std::unique_ptr<Kernel> onednn_conv2d(const Conv2dProblem& problem, Activation activation,
                                      const PrepareContext& context);
std::unique_ptr<Kernel> onednn_conv2d_backward_data(const Conv2dProblem& problem,
                                                    const PrepareContext& context);
std::unique_ptr<Kernel> onednn_conv2d_backward_weights(const Conv2dProblem& problem,
                                                       const PrepareContext& context);
// `adds`: y += a b, with one rounding.
std::unique_ptr<Kernel> onednn_matmul(const MatmulProblem& problem, const PrepareContext& context,
                                      bool adds = false);

}  // namespace engine::cpu
