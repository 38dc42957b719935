#include "engine/core/memory_plan.h"

#include <random>

#include <gtest/gtest.h>

namespace engine {
namespace {

void expect_no_overlap(const std::vector<Lifetime>& blocks, const ArenaLayout& layout) {
  for (std::size_t a = 0; a < blocks.size(); ++a) {
    EXPECT_EQ(layout.offsets[a] % kAlignment, 0);
    EXPECT_LE(layout.offsets[a] + blocks[a].bytes, layout.bytes);
    for (std::size_t b = a + 1; b < blocks.size(); ++b) {
      const bool at_once = blocks[a].first <= blocks[b].last && blocks[b].first <= blocks[a].last;
      const bool share = layout.offsets[a] < layout.offsets[b] + blocks[b].bytes &&
                         layout.offsets[b] < layout.offsets[a] + blocks[a].bytes;
      EXPECT_FALSE(at_once && share) << a << " and " << b;
    }
  }
}

TEST(LayOut, NothingNeedsNothing) {
  EXPECT_EQ(lay_out({}).bytes, 0);
}

TEST(LayOut, ReusesWhatIsNoLongerAlive) {
  const std::vector<Lifetime> blocks{{1000, 0, 1}, {1000, 1, 2}, {1000, 2, 3}, {1000, 3, 4}};
  const ArenaLayout layout = lay_out(blocks);
  expect_no_overlap(blocks, layout);
  EXPECT_EQ(layout.bytes, 2 * 1024);
  EXPECT_EQ(layout.largest_live_set, 2 * 1024);
}

TEST(LayOut, RandomBlocksNeverOverlap) {
  for (int seed = 0; seed < 50; ++seed) {
    std::mt19937 random(static_cast<unsigned>(seed));
    std::vector<Lifetime> blocks;
    for (int i = 0; i < 60; ++i) {
      const int first = static_cast<int>(random() % 100);
      blocks.push_back({static_cast<std::int64_t>(random() % 100000), first,
                        first + static_cast<int>(random() % 20)});
    }
    const ArenaLayout layout = lay_out(blocks);
    expect_no_overlap(blocks, layout);
    EXPECT_GE(layout.bytes, layout.largest_live_set);
  }
}

TEST(LayOut, TrainingStepsFitTheLargestLiveSet) {
  // Activations of a forward pass, freed in reverse by the backward pass, with gradients beside.
  std::vector<Lifetime> blocks;
  const int layers = 12;
  for (int i = 0; i < layers; ++i) {
    blocks.push_back({1 << (20 - i), i, 2 * layers - i});
    blocks.push_back({1 << (20 - i), 2 * layers - i - 1, 2 * layers - i});
  }
  const ArenaLayout layout = lay_out(blocks);
  expect_no_overlap(blocks, layout);
  EXPECT_LE(layout.bytes, layout.largest_live_set * 11 / 10);
}

}  // namespace
}  // namespace engine
