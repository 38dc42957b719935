#include "bench/engine_bench/contest.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "engine/core/errors.h"

namespace engine::bench {
namespace {

constexpr double kShort = 200e-6;  // seconds: below this a launch counts
constexpr int kMaxCalls = 1000;    // of one block
constexpr int kWindow = 3;         // blocks whose medians must agree, twice
constexpr double kTolerance = 0.02;

// One side's block, sized so that it takes long enough for the clock.
std::unique_ptr<Block> block_of(Stopwatch& stopwatch, const Contender& side, int copies,
                                const Effort& effort) {
  const auto one = stopwatch.block(side.enqueue, 1, false);
  one->seconds();  // first touch, lazy loading of kernels
  const double estimate = std::max(std::min(one->seconds(), one->seconds()), 1e-7);
  const bool is_short = estimate < kShort;
  double calls = std::ceil(effort.block_seconds / estimate);
  // A recorded block is replayed as it is: it has to go round all copies.
  if (is_short) calls = std::max(calls, static_cast<double>(copies));
  return stopwatch.block(side.enqueue, static_cast<int>(std::clamp(calls, 1.0, double{kMaxCalls})),
                         is_short);
}

}  // namespace

Times run_contest(Stopwatch& stopwatch, const Contender& engine, const Contender* peer, int copies,
                  const Effort& effort) {
  const auto ours = block_of(stopwatch, engine, copies, effort);
  const auto theirs = peer != nullptr ? block_of(stopwatch, *peer, copies, effort) : nullptr;
  const auto round = [&](bool peer_first, std::vector<double>& our_times,
                         std::vector<double>& their_times) {
    if (theirs != nullptr && peer_first) their_times.push_back(theirs->seconds());
    our_times.push_back(ours->seconds());
    if (theirs != nullptr && !peer_first) their_times.push_back(theirs->seconds());
  };
  using Clock = std::chrono::steady_clock;
  const auto since = [](Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
  };

  std::vector<double> our_times, their_times;
  bool have_settled = false;
  auto begin = Clock::now();
  while (!have_settled && since(begin) < effort.seconds / 2) {
    round(our_times.size() % 2 == 1, our_times, their_times);
    have_settled = has_settled(our_times, kWindow, kTolerance) &&
                   (theirs == nullptr || has_settled(their_times, kWindow, kTolerance));
  }
  our_times.clear();
  their_times.clear();
  begin = Clock::now();
  for (int i = 0; i < effort.max_blocks; ++i) {
    if (i >= effort.min_blocks && since(begin) > effort.seconds) break;
    round(i % 2 == 1, our_times, their_times);
  }
  Times times{.engine = spread_of(our_times), .peer = {}, .have_settled = have_settled};
  if (theirs != nullptr) times.peer = spread_of(their_times);
  return times;
}

int fastest(Stopwatch& stopwatch, const std::vector<Contender>& candidates, int copies) {
  constexpr int kRounds = 3;
  std::vector<std::unique_ptr<Block>> blocks;
  std::vector<std::vector<double>> times(candidates.size());
  for (const Contender& candidate : candidates) {
    try {
      blocks.push_back(block_of(stopwatch, candidate, copies, {.block_seconds = 5e-4}));
    } catch (const Error&) {
      blocks.push_back(nullptr);
    }
  }
  for (int round = 0; round < kRounds; ++round) {
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      if (blocks[i] != nullptr) times[i].push_back(blocks[i]->seconds());
    }
  }
  int best = -1;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (blocks[i] == nullptr) continue;
    if (best < 0 || spread_of(times[i]).median < spread_of(times[best]).median) {
      best = static_cast<int>(i);
    }
  }
  return best;
}

}  // namespace engine::bench
