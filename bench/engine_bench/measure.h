#pragma once

#include "bench/engine_bench/contest.h"
#include "bench/engine_bench/results.h"
#include "bench/engine_bench/subject.h"
#include "engine/core/device.h"

namespace engine::bench {

// What all rows of a run have in common.
struct Setup {
  Device device;
  Ceilings ceilings;
  std::int64_t rotated_bytes = 0;  // what the buffers of a row together exceed
  std::int64_t scratch_limit = 0;  // bytes, for the peer; as much as ours takes where that is more
  int max_candidates = 0;          // formulations of the peer that are tried; 0: all
  bool has_peer = true;
  Effort effort;
};

// One row: both sides checked against the definition, then timed in turn. Throws Error where we
// have no kernel for the subject, or memory is short.
Row measure(const Subject& subject, const Setup& setup, Stopwatch& stopwatch);

// The time in seconds that the limits allow, and which of them it is ("copy" or "matrix").
std::pair<double, std::string> least_seconds(const Cost& cost, MathMode math,
                                             const Ceilings& ceilings);

}  // namespace engine::bench
