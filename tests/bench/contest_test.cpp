// How both sides take turns, on a stopwatch that tells made-up times.
#include "bench/engine_bench/contest.h"

#include <deque>

#include <gtest/gtest.h>

#include "engine/core/errors.h"

namespace engine::bench {
namespace {

// What was asked of it, in order: a letter for each block that was timed.
struct Log {
  std::string blocks;
  struct Made {
    int calls;
    bool is_short;
  };
  std::vector<Made> made;
};

// How one side stands in the log, and the time of each of its blocks.
struct Side {
  char letter;
  std::function<double(int block)> seconds;
};

class MadeUpStopwatch final : public Stopwatch {
 public:
  explicit MadeUpStopwatch(Log& log) : log_(log) {}
  std::unique_ptr<Block> block(Enqueue enqueue, int calls, bool is_short) override {
    log_.made.push_back({calls, is_short});
    return std::make_unique<MadeUpBlock>(*this, std::move(enqueue));
  }
  // The side whose call was enqueued last: that of the block.
  const Side* running = nullptr;

 private:
  class MadeUpBlock final : public Block {
   public:
    MadeUpBlock(MadeUpStopwatch& watch, Enqueue enqueue)
        : watch_(watch), enqueue_(std::move(enqueue)) {}
    double seconds() override {
      enqueue_(Stream(Device::cpu({.threads = 1})), blocks_);
      watch_.log_.blocks += watch_.running->letter;
      return watch_.running->seconds(blocks_++);
    }

   private:
    MadeUpStopwatch& watch_;
    Enqueue enqueue_;
    int blocks_ = 0;
  };
  Log& log_;
};

Contender contender(MadeUpStopwatch& watch, const Side& side) {
  Contender result;
  result.name = side.letter;
  result.enqueue = [&watch, &side](const Stream&, int) { watch.running = &side; };
  return result;
}

TEST(Contest, SidesTakeTurnsAndTheOrderChanges) {
  Log log;
  MadeUpStopwatch watch(log);
  const Side engine{'E', [](int) { return 1e-3; }}, peer{'P', [](int) { return 2e-3; }};
  const Contender ours = contender(watch, engine), theirs = contender(watch, peer);
  const Effort effort{.seconds = 10, .min_blocks = 4, .max_blocks = 6};
  const Times times = run_contest(watch, ours, &theirs, 5, effort);
  // Three blocks of each tell the size of a block, six that times have settled; then it counts.
  EXPECT_EQ(log.blocks,
            "EEEPPP"
            "EPPEEPPEEPPE"
            "EPPEEPPEEPPE");
  EXPECT_EQ(times.engine.median, 1e-3);
  EXPECT_EQ(times.engine.n, 6);
  EXPECT_EQ(times.peer->median, 2e-3);
  EXPECT_EQ(times.peer->n, 6);
  EXPECT_TRUE(times.have_settled);
}

TEST(Contest, NothingCountsBeforeBothHaveSettled) {
  Log log;
  MadeUpStopwatch watch(log);
  const Side engine{'E', [](int) { return 1e-3; }};
  const Side peer{'P', [](int block) { return block < 40 ? 9e-3 - 1e-4 * block : 5e-3; }};
  const Contender ours = contender(watch, engine), theirs = contender(watch, peer);
  const Times times = run_contest(watch, ours, &theirs, 1, {.seconds = 10, .max_blocks = 20});
  EXPECT_TRUE(times.have_settled);
  EXPECT_EQ(times.peer->low, 5e-3);
  EXPECT_EQ(times.peer->high, 5e-3);
}

TEST(Contest, ItIsToldWhenTimesNeverSettle) {
  Log log;
  MadeUpStopwatch watch(log);
  const Side engine{'E', [](int block) { return 1e-3 * (1 + block % 7); }};
  const Contender ours = contender(watch, engine);
  const Times times = run_contest(watch, ours, nullptr, 1, {.seconds = 0.05, .max_blocks = 7});
  EXPECT_FALSE(times.have_settled);
  EXPECT_FALSE(times.peer.has_value());
  EXPECT_EQ(times.engine.n, 7);
}

// Launches count below 200 us: such calls are recorded, and a recording goes round all buffers.
TEST(Contest, BlocksAreLongEnoughForTheClockAndForAllBuffers) {
  struct Case {
    double seconds;
    int copies, calls;
    bool is_short;
  };
  for (const Case& c :
       {Case{1e-5, 3, 200, true}, Case{1e-5, 500, 500, true}, Case{1e-9, 3, 1000, true},
        Case{1e-3, 500, 2, false}, Case{1, 9, 1, false}}) {
    Log log;
    MadeUpStopwatch watch(log);
    const Side engine{'E', [&](int) { return c.seconds; }};
    run_contest(watch, contender(watch, engine), nullptr, c.copies,
                {.seconds = 0.01, .block_seconds = 2e-3, .min_blocks = 1, .max_blocks = 1});
    ASSERT_EQ(log.made.size(), 2u);
    EXPECT_EQ(log.made[0].calls, 1);
    EXPECT_EQ(log.made[1].calls, c.calls) << c.seconds;
    EXPECT_EQ(log.made[1].is_short, c.is_short) << c.seconds;
  }
}

TEST(Fastest, IsTheOneOfTheLeastMedian) {
  Log log;
  MadeUpStopwatch watch(log);
  const Side slow{'S', [](int) { return 3e-3; }};
  const Side lucky{'L', [](int block) { return block == 0 ? 1e-6 : 4e-3; }};
  const Side best{'B', [](int block) { return block == 1 ? 9e-3 : 2e-3; }};
  Contender broken;
  broken.enqueue = [](const Stream&, int) { throw InvalidArgument("no such engine"); };
  EXPECT_EQ(
      fastest(watch,
              {contender(watch, slow), broken, contender(watch, lucky), contender(watch, best)}, 1),
      3);
  EXPECT_EQ(fastest(watch, {broken, broken}, 1), -1);
  EXPECT_EQ(fastest(watch, {}, 1), -1);
}

}  // namespace
}  // namespace engine::bench
