#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bench/engine_bench/statistics.h"
#include "bench/engine_bench/stopwatch.h"

namespace engine::bench {

// One way to compute a subject, ready to run on its rotating copies.
struct Contender {
  std::string name;
  std::string algorithm;
  std::int64_t scratch_bytes = 0;
  Enqueue enqueue;
  // Elements of the output of the first copy, after call 0.
  std::function<std::vector<double>(std::span<const std::int64_t> elements)> read;
};

struct Effort {
  double seconds = 1;           // of measurement for one row, both sides together; warm-up apart
  double block_seconds = 2e-3;  // what a block should take at least
  int min_blocks = 7;
  int max_blocks = 50;
};

struct Times {
  Spread engine;
  std::optional<Spread> peer;
  bool have_settled = false;  // before they were taken; else the warm-up's time was over
};

// Times blocks of both in turn, the order changing from round to round, after blocks of both until
// their times have settled, for half of `effort.seconds` at most. `copies`: the buffers that calls
// rotate over.
Times run_contest(Stopwatch& stopwatch, const Contender& engine, const Contender* peer, int copies,
                  const Effort& effort);

// The index of the fastest of several, by the medians of three small blocks of each, in turn.
// Candidates that throw are left out; -1 when all do.
int fastest(Stopwatch& stopwatch, const std::vector<Contender>& candidates, int copies);

}  // namespace engine::bench
