#pragma once

#include <string>
#include <vector>

#include "bench/engine_bench/buffers.h"
#include "bench/engine_bench/contest.h"

// The libraries that we are held against. Each is tuned as its best user would: all of its ways to
// compute the case are candidates, and the fastest is the peer.
namespace engine::bench {

struct PeerContext {
  const Subject& subject;
  const HostTensors& host;
  const RotatingBuffers& buffers;  // a peer may read the inputs and write the outputs
  std::int64_t scratch_limit = 0;  // bytes, the same for both sides
  int max_candidates = 0;          // 0: all
};

// Empty where the library is not in this build or has no such op.
std::vector<Contender> onednn_candidates(const PeerContext& context);
std::vector<Contender> cudnn_candidates(const PeerContext& context);
std::vector<Contender> cublaslt_candidates(const PeerContext& context);

std::string onednn_version_text();  // "none" where it is not in this build
std::string cudnn_version_text();

// oneDNN's best time for a product of three 2048 x 2048 matrices, as FLOP/s; 0 without oneDNN or
// without instructions for the type.
double onednn_matrix_rate(const Device& device, MathMode math);

}  // namespace engine::bench
