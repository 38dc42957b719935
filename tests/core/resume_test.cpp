// Training that continues from a checkpoint equals training that never stopped, bit by bit.

#include <gtest/gtest.h>

#include "engine/core/checkpoint.h"
#include "engine/layers/history.h"
#include "tests/core/temporary_folder.h"
#include "tests/support/compare.h"
#include "tests/support/devices.h"
#include "tests/support/training_model.h"

namespace engine {
namespace {

void expect_same(const Store& a, const Store& b) {
  ASSERT_EQ(a.entries().size(), b.entries().size());
  for (const Store::Entry& entry : a.entries()) {
    EXPECT_TRUE(same_bits(entry.tensor, b.get(entry.name))) << entry.name;
  }
}

// An epoch has 4 steps: the checkpoint lies within one, the last step in the next.
constexpr std::int64_t kBefore = 3, kAfter = 4;

class Resume : public testing::TestWithParam<Precision> {};

TEST_P(Resume, EqualsNeverHavingStopped) {
  const CompileOptions options{.precision = GetParam()};
  for (const Device& device : test_devices()) {
    const TemporaryFolder folder;
    const auto path = folder / "checkpoint.safetensors";
    const TrainingModel model;
    Store undisturbed(device, {.seed = 11});
    Executable step = model.compile_step(undisturbed, options);
    step.run(kBefore);
    save_checkpoint(undisturbed, path, R"({"note":"here"})");
    step.run(kAfter);
    ASSERT_EQ(undisturbed.step(), kBefore + kAfter);

    // Another process: another seed at first, and a graph built anew.
    const TrainingModel rebuilt;
    Store resumed(device, {.seed = 99});
    EXPECT_EQ(load_checkpoint(resumed, path), R"({"note":"here"})");
    EXPECT_EQ(resumed.seed(), 11u);
    EXPECT_EQ(resumed.step(), kBefore);
    rebuilt.compile_step(resumed, options).run(kAfter);
    expect_same(undisturbed, resumed);
    EXPECT_EQ(recorded(resumed, "loss", 0, kBefore + kAfter),
              recorded(undisturbed, "loss", 0, kBefore + kAfter));

    // Loading into a Store that has gone further, with its executable in place.
    load_checkpoint(undisturbed, path);
    EXPECT_EQ(undisturbed.step(), kBefore);
    step.run(kAfter);
    expect_same(undisturbed, resumed);
  }
}

// run(k) is k times run(1), whatever the pieces.
TEST_P(Resume, PiecesOfARunMakeNoDifference) {
  const CompileOptions options{.precision = GetParam()};
  for (const Device& device : test_devices()) {
    const TrainingModel model;
    Store whole(device, {.seed = 3}), pieces(device, {.seed = 3});
    model.compile_step(whole, options).run(6);
    Executable step = model.compile_step(pieces, options);
    for (const std::int64_t part : {1, 3, 2}) step.run(part);
    expect_same(whole, pieces);
  }
}

// An allocation for each tensor shows every overrun to the emulator's guard pages.
TEST_P(Resume, OneAllocationATensorOrAnArenaMakesNoDifference) {
  for (const Device& device : test_devices()) {
    const TrainingModel model;
    Store arena(device, {.seed = 3}), separate(device, {.seed = 3, .separate_allocations = true});
    model.compile_step(arena, {.precision = GetParam()}).run(6);
    model.compile_step(separate, {.precision = GetParam(), .separate_allocations = true}).run(6);
    expect_same(arena, separate);
  }
}

TEST_P(Resume, AnotherSeedGivesOtherNumbers) {
  const CompileOptions options{.precision = GetParam()};
  const TrainingModel model;
  Store a(Device::cpu(), {.seed = 3}), b(Device::cpu(), {.seed = 4});
  model.compile_step(a, options).run(3);
  model.compile_step(b, options).run(3);
  EXPECT_FALSE(same_bits(a.get("out.weight"), b.get("out.weight")));
}

INSTANTIATE_TEST_SUITE_P(Precisions, Resume, testing::Values(Precision::f32, Precision::automatic),
                         [](const auto& info) { return std::string(name_of(info.param)); });

}  // namespace
}  // namespace engine
