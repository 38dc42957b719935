// What keeps an epoch on the device, compiled and replayed: the same numbers as on the CPU.
#include <gtest/gtest.h>

#include "engine/core/structural_ops.h"
#include "engine/kernels/compile.h"
#include "engine/kernels/gather_rows.h"
#include "engine/kernels/image.h"
#include "engine/kernels/optimizer_update.h"
#include "engine/kernels/random.h"
#include "engine/kernels/record.h"
#include "engine/kernels/schedule.h"
#include "tests/support/compare.h"
#include "tests/support/devices.h"
#include "tests/support/random_tensor.h"

namespace engine {
namespace {

constexpr std::int64_t kRows = 22, kBatch = 4;  // five steps an epoch

// A "gradient" out of shuffled, augmented, normalised images, dropout and noise moves a parameter.
Graph epoch_graph() {
  Graph graph;
  const Value taken = shuffled_rows(graph, "shuffle", kRows, kBatch);
  Value x = gather_rows(graph.input("images", {kRows, 6, 5, 3}, DType::u8), taken);
  x = random_geometry(x, "augment", {.shift = 2, .flip = true});
  x = normalize_images(x, {.mean = {0.4f, 0.5f, 0.6f}, .standard_deviation = {0.25f}});
  x = dropout(x, "drop", 0.3f);
  const Value gradient = add_n({x, random_normal(graph, "noise", x.shape())});
  const auto state = [&](const char* name) {
    return graph.read_state({.name = name, .shape = x.shape(), .role = StateRole::parameter});
  };
  const Value rate = schedule(graph.clock(), {.peak = 0.5f, .warmup_steps = 2, .total_steps = 12});
  const SgdUpdateResult moved =
      sgd_update({rate, graph.constant(1.0f), graph.clock(), {state("w")}, {gradient}},
                 {state("velocity")}, {.momentum = 0.9, .weight_decay = 0.01});
  graph.update_state("w", moved.parameters[0]);
  graph.update_state("velocity", moved.velocities[0]);
  const Value ring = graph.read_state({.name = "norms", .shape = {8}});
  graph.update_state("norms", record_in_ring(ring, squared_norm({gradient}), graph.clock()));
  graph.output("taken", taken);
  graph.advance_clock();
  return graph;
}

// The state after twelve steps, which are run as in `pieces`.
Store after_steps(const Device& device, const std::vector<std::int64_t>& pieces,
                  std::vector<Tensor>* taken = nullptr, bool separate_allocations = false) {
  const Graph graph = epoch_graph();
  Store store(device, {.seed = 99, .separate_allocations = separate_allocations});
  Executable step = compile(
      graph, store, {.precision = Precision::f32, .separate_allocations = separate_allocations});
  step.set_input("images", random_tensor({kRows, 6, 5, 3}, DType::u8, 1, {0, 256}));
  for (const std::int64_t piece : pieces) {
    step.run(piece);
    if (taken != nullptr) taken->push_back(step.output("taken").to(Device::cpu()).clone());
  }
  return store;
}

TEST(EpochOnDevice, GivesTheNumbersOfTheCpu) {
  const std::vector<std::int64_t> pieces = {1, 4, 1, 6};
  std::vector<Tensor> rows_there, rows_here;
  const Store here = after_steps(Device::cpu(), pieces, &rows_here);
  for (const Device& device : test_devices()) {
    rows_there.clear();
    const Store there = after_steps(device, pieces, &rows_there);
    EXPECT_EQ(there.step(), 12);
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      EXPECT_TRUE(same_bits(rows_there[i], rows_here[i])) << "piece " << i << " on " << device;
    }
    // Some twelve steps of ten roundings, of numbers below 8; norms are sums of 360 squares.
    for (const auto& [name, bound] : {std::pair("w", 1e-4), {"velocity", 1e-4}, {"norms", 1e-2}}) {
      EXPECT_TRUE(close_to(there.get(name).to(Device::cpu()), to_doubles(here.get(name)), bound))
          << name << " on " << device;
    }
  }
}

TEST(EpochOnDevice, PiecesOfARunMakeNoDifference) {
  for (const Device& device : test_devices()) {
    const Store whole = after_steps(device, {12});
    const Store parts = after_steps(device, {5, 1, 6});
    for (const char* name : {"w", "velocity", "norms"}) {
      EXPECT_TRUE(same_bits(whole.get(name).to(Device::cpu()), parts.get(name).to(Device::cpu())))
          << name << " on " << device;
    }
  }
}

// An allocation for each tensor shows every overrun to the emulator's guard pages.
TEST(EpochOnDevice, OneAllocationATensorOrAnArenaMakesNoDifference) {
  for (const Device& device : test_devices()) {
    const Store arena = after_steps(device, {6});
    const Store separate = after_steps(device, {6}, nullptr, true);
    for (const char* name : {"w", "velocity", "norms"}) {
      EXPECT_TRUE(
          same_bits(arena.get(name).to(Device::cpu()), separate.get(name).to(Device::cpu())))
          << name << " on " << device;
    }
  }
}

}  // namespace
}  // namespace engine
