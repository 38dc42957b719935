#include "engine/core/executable.h"

#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "engine/core/scope.h"
#include "engine/core/storage_plan.h"
#include "tests/core/test_ops.h"

namespace engine {
namespace {

using test::floats;
using test::scale;
using test::total;

Executable build(const Graph& graph, Store& store, CompileOptions options = {}) {
  options.precision = Precision::f32;
  return build_executable(graph, store, {}, options);
}

// Every hazard of state in one table: what two steps leave behind, with one arena and with separate
// allocations.
class State : public testing::TestWithParam<bool> {
 protected:
  Executable build_one(const Graph& graph, Store& store) {
    return build(graph, store, {.separate_allocations = GetParam()});
  }
  std::vector<float> get(const Store& store, const char* name) {
    return store.get(name).to_floats();
  }
};

TEST_P(State, TwoEntriesSwap) {
  Graph graph;
  const Value a = graph.read_state({.name = "a", .shape = {2}, .init = init::constant(1)});
  const Value b = graph.read_state({.name = "b", .shape = {2}, .init = init::constant(2)});
  graph.update_state("a", b);
  graph.update_state("b", a);
  Store store(Device::cpu());
  Executable step = build_one(graph, store);
  step.run(3);
  EXPECT_EQ(get(store, "a"), (std::vector<float>{2, 2}));
  EXPECT_EQ(get(store, "b"), (std::vector<float>{1, 1}));
}

TEST_P(State, ReadersSeeTheOldValueWhateverTheOrder) {
  Graph graph;
  const Value a = graph.read_state({.name = "a", .shape = {2}, .init = init::constant(1)});
  graph.update_state("a", scale(a, {.factor = 10}));  // made before the reader below
  graph.output("seen", scale(a, {.factor = 3}));
  graph.output("old", a);
  Store store(Device::cpu());
  Executable step = build_one(graph, store);
  step.run();
  EXPECT_EQ(step.output("seen").to_floats(), (std::vector<float>{3, 3}));
  EXPECT_EQ(step.output("old").to_floats(), (std::vector<float>{1, 1}));
  EXPECT_EQ(get(store, "a"), (std::vector<float>{10, 10}));
  step.run();
  EXPECT_EQ(step.output("old").to_floats(), (std::vector<float>{10, 10}));
  EXPECT_EQ(get(store, "a"), (std::vector<float>{100, 100}));
}

TEST_P(State, OneValueMayBecomeSeveralEntries) {
  Graph graph;
  const Value a = graph.read_state({.name = "a", .shape = {2}, .init = init::constant(1)});
  graph.read_state({.name = "b", .shape = {2}});
  const Value next = scale(a);
  graph.update_state("a", next);
  graph.update_state("b", next);
  graph.output("next", next);
  Store store(Device::cpu());
  Executable step = build_one(graph, store);
  step.run(2);
  EXPECT_EQ(get(store, "a"), (std::vector<float>{4, 4}));
  EXPECT_EQ(get(store, "b"), (std::vector<float>{4, 4}));
  EXPECT_EQ(step.output("next").to_floats(), (std::vector<float>{4, 4}));
}

TEST_P(State, AViewOfStateStaysOld) {
  Graph graph;
  const Value a = graph.read_state({.name = "a", .shape = {2, 2}, .init = init::constant(1)});
  const Value flat = reshape(a, {4});
  graph.update_state("a", scale(a));
  graph.output("flat", scale(flat, {.factor = 7}));
  graph.output("view", flat);
  Store store(Device::cpu());
  Executable step = build_one(graph, store);
  step.run(2);
  EXPECT_EQ(step.output("flat").to_floats(), (std::vector<float>{14, 14, 14, 14}));
  EXPECT_EQ(step.output("view").to_floats(), (std::vector<float>{2, 2, 2, 2}));
}

TEST_P(State, AChainOfEntriesShifts) {
  Graph graph;
  const Value x = graph.input("x", {1});
  const Value a = graph.read_state({.name = "a", .shape = {1}});
  const Value b = graph.read_state({.name = "b", .shape = {1}});
  graph.read_state({.name = "c", .shape = {1}});
  graph.update_state("c", b);
  graph.update_state("b", a);
  graph.update_state("a", x);
  Store store(Device::cpu());
  Executable step = build_one(graph, store);
  for (float value : {1.0f, 2.0f, 3.0f}) {
    step.set_input("x", floats({value}));
    step.run();
  }
  EXPECT_EQ(get(store, "a"), std::vector<float>{3});
  EXPECT_EQ(get(store, "b"), std::vector<float>{2});
  EXPECT_EQ(get(store, "c"), std::vector<float>{1});
}

INSTANTIATE_TEST_SUITE_P(Memory, State, testing::Bool(), [](const auto& info) {
  return info.param ? "separate_allocations" : "one_arena";
});

TEST(StoragePlan, NewStateIsMadeInItsPlaceWhenNothingReadsTheOldOne) {
  Graph graph;
  const Value a = graph.read_state({.name = "a", .shape = {2}});
  graph.update_state("a", scale(scale(a, {.in_place = false}), {.in_place = false}));
  const StoragePlan plan = plan_storage(order(graph), [](const StateSpec&) { return false; });
  EXPECT_TRUE(plan.copies.empty());
}

TEST(StoragePlan, ElementwiseChainsShareOneBuffer) {
  Graph graph;
  Value x = scale(graph.input("x", {100}), {.factor = 0.5f});
  for (int i = 0; i < 5; ++i) x = scale(x, {.factor = static_cast<float>(i + 2)});
  graph.output("y", x);
  const StoragePlan plan = plan_storage(order(graph), [](const StateSpec&) { return false; });
  int arena_blocks = 0;
  for (const auto& storage : plan.storages) {
    arena_blocks += storage.kind == StoragePlan::Kind::arena ? 1 : 0;
  }
  EXPECT_EQ(arena_blocks, 1);
}

TEST(StoragePlan, AnInputIsNeverOverwritten) {
  Graph graph;
  graph.output("y", scale(graph.input("x", {2})));
  Store store(Device::cpu());
  Executable run = build(graph, store);
  const Tensor x = floats({1, 2});
  run.bind_input("x", x);
  run.run(2);
  EXPECT_EQ(x.to_floats(), (std::vector<float>{1, 2}));
  EXPECT_EQ(run.output("y").to_floats(), (std::vector<float>{2, 4}));
}

TEST(Executable, InputsMayBeBoundAndReboundAndAreChecked) {
  Graph graph;
  const Value x = graph.input("x", {2});
  graph.input("unused", {1});
  graph.output("y", scale(x));
  graph.output("same", x);
  Store store(Device::cpu());
  Executable run = build(graph, store);
  EXPECT_THROW(run.run(), InvalidArgument);  // no input yet
  EXPECT_THROW(run.set_input("z", floats({1, 2})), InvalidArgument);
  EXPECT_THROW(run.set_input("x", floats({1, 2, 3})), InvalidArgument);
  EXPECT_THROW(run.output("z"), InvalidArgument);
  run.set_input("unused", floats({0}));
  run.set_input("x", floats({1, 2}));
  run.run();
  EXPECT_EQ(run.output("y").to_floats(), (std::vector<float>{2, 4}));
  const Tensor other = floats({5, 6});
  run.bind_input("x", other);
  run.run();
  EXPECT_EQ(run.output("y").to_floats(), (std::vector<float>{10, 12}));
  EXPECT_EQ(run.output("same").data(), other.data());
  run.set_input("x", floats({7, 8}));  // back to its own memory; the bound tensor is untouched
  run.run();
  EXPECT_EQ(run.output("y").to_floats(), (std::vector<float>{14, 16}));
  EXPECT_EQ(other.to_floats(), (std::vector<float>{5, 6}));
}

TEST(Executable, FrozenParametersRunOnceAndGoStale) {
  Graph graph;
  const Scope net(graph);
  const Value w = net.parameter("w", {2}, init::constant(3));
  graph.output("y", add_n({graph.input("x", {2}), scale(w)}));
  Store store(Device::cpu());
  Executable run = build(graph, store, {.parameters = Parameters::frozen});
  run.set_input("x", floats({1, 1}));
  EXPECT_EQ(run.profile().size(), 1u);  // scale(w) is done
  run.set_input("x", floats({1, 1}));
  run.run();
  EXPECT_EQ(run.output("y").to_floats(), (std::vector<float>{7, 7}));
  store.set("w", floats({1, 1}));
  EXPECT_THROW(run.run(), InvalidArgument);
}

TEST(Executable, FrozenStatisticsGoStaleToo) {
  const auto statistic = [](Graph& graph) {
    return graph.read_state({.name = "mean", .shape = {2}, .role = StateRole::statistic});
  };
  Graph eval, calibrate;
  eval.output("y", scale(statistic(eval)));
  const Value x = calibrate.input("x", {2});
  statistic(calibrate);
  calibrate.update_state("mean", x);
  Store store(Device::cpu());
  Executable frozen = build(eval, store, {.parameters = Parameters::frozen});
  frozen.run();
  Executable step = build(calibrate, store);
  step.set_input("x", floats({5, 6}));
  step.run();
  EXPECT_THROW(frozen.run(), InvalidArgument);
  Executable again = build(eval, store, {.parameters = Parameters::frozen});
  again.run();
  EXPECT_EQ(again.output("y").to_floats(), (std::vector<float>{10, 12}));
}

TEST(Executable, FollowsTheEntriesOfAStoreThatMoves) {
  Graph graph;
  const Value s = graph.read_state({.name = "s", .shape = {2}, .init = init::ones()});
  graph.update_state("s", scale(s));
  graph.output("s", s);
  auto first = std::make_unique<Store>(Device::cpu());
  Executable step = build(graph, *first);
  Store second = std::move(*first);
  first.reset();
  step.run(2);
  EXPECT_EQ(second.get("s").to_floats(), (std::vector<float>{4, 4}));
  second = Store(Device::cpu());
  step.run();  // the entries live as long as the executable
  EXPECT_EQ(step.output("s").to_floats(), (std::vector<float>{4, 4}));  // as this step began
}

TEST(Executable, FindsTheFirstNodeThatIsNotFinite) {
  Graph graph;
  const Value s = graph.read_state({.name = "s", .shape = {2}, .init = init::constant(1e30f)});
  const Value fine = scale(s, {.factor = 2});
  const Value broken =
      graph.add1(std::make_shared<test::ScaleOp>(test::ScaleOp::Options{.factor = 1e30f}), {fine},
                 "encoder/overflow");
  graph.update_state("s", scale(broken));
  Store store(Device::cpu());
  Executable step = build(graph, store);
  const std::string found = step.find_non_finite();
  EXPECT_NE(found.find("encoder/overflow"), std::string::npos) << found;
  EXPECT_EQ(store.get("s").to_floats(), (std::vector<float>{1e30f, 1e30f}));  // as before
}

// Passes its input on, or throws.
class ThrowingOp final : public Op {
 public:
  explicit ThrowingOp(const bool& is_broken) : is_broken_(is_broken) {}
  std::string_view name() const override { return "throwing"; }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    return {inputs[0]};
  }
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override {
    const std::int64_t count = context.inputs[0].shape.elements();
    return make_kernel([count, &is_broken = is_broken_](const Stream&, const Buffers& buffers) {
      if (is_broken) throw Error("broken");
      std::copy_n(buffers.in<float>(0), count, buffers.out<float>(0));
    });
  }

 private:
  const bool& is_broken_;
};

// Looking for what is not finite leaves everything as it was, so that other executables with frozen
// parameters go on, also when the step throws after it has changed some of the state.
TEST(Executable, FindingLeavesTheStateAsItWas) {
  bool is_broken = false;
  Graph training;
  const auto parameter = [](Graph& graph) {
    return graph.read_state(
        {.name = "w", .shape = {2}, .init = init::constant(3), .role = StateRole::parameter});
  };
  const Value next = scale(parameter(training));
  training.update_state("w", next);
  training.output("y", training.add1(std::make_shared<ThrowingOp>(is_broken), {next}));
  Graph other;
  other.output("w", scale(parameter(other)));
  Store store(Device::cpu());
  Executable step = build(training, store);
  Executable frozen = build(other, store, {.parameters = Parameters::frozen});
  EXPECT_EQ(step.find_non_finite(), "");
  EXPECT_NO_THROW(frozen.run());
  is_broken = true;
  EXPECT_THROW(step.find_non_finite(), Error);
  EXPECT_EQ(store.get("w").to_floats(), (std::vector<float>{3, 3}));
  EXPECT_NO_THROW(frozen.run());
  EXPECT_EQ(frozen.output("w").to_floats(), (std::vector<float>{6, 6}));
  // A step that was meant to run may have changed them.
  EXPECT_THROW(step.run(), Error);
  EXPECT_THROW(frozen.run(), InvalidArgument);
}

TEST(Executable, DebugLevelsSayMore) {
  Graph graph;
  graph.output("y", scale(graph.input("x", {2})));
  Store store(Device::cpu());
  std::string last;
  for (int level = 0; level <= 4; ++level) {
    std::string text;
    Executable run =
        build(graph, store, {.debug = level, .log = [&](std::string_view part) { text += part; }});
    run.set_input("x", floats({1, 2}));
    run.run();
    EXPECT_EQ(text.empty(), level == 0);
    EXPECT_EQ(text.find("arena") != std::string::npos, level >= 1);
    EXPECT_EQ(text.find("--- after fusion") != std::string::npos, level >= 3);
    EXPECT_EQ(text.find("GB/s") != std::string::npos, level == 2 || level == 3);
  }
}

TEST(Executable, OutOfMemoryNamesTheLargestConsumers) {
  Graph graph;
  Value x = graph.input("x", {1ll << 44});
  graph.output("y", graph.add1(std::make_shared<test::ScaleOp>(test::ScaleOp::Options{}), {x},
                               "encoder/huge"));
  Store store(Device::cpu());
  try {
    build(graph, store);
    FAIL();
  } catch (const OutOfMemory& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("encoder/huge"), std::string::npos) << text;
    EXPECT_NE(text.find("67108864.00 MiB"), std::string::npos) << text;
  }
}

TEST(Store, DeclaresOnceAndChecksLater) {
  Graph graph;
  graph.read_state({.name = "w", .shape = {3}, .init = init::ones(), .role = StateRole::parameter});
  Store store(Device::cpu(), {.seed = (7ull << 32) + 5});
  store.declare(graph);
  void* data = store.get("w").data();
  store.get("w").fill_zero();
  store.declare(graph);
  EXPECT_EQ(store.get("w").data(), data);
  EXPECT_EQ(store.get("w").to_floats(), (std::vector<float>{0, 0, 0}));
  EXPECT_EQ(store.parameter_count(), 3);
  EXPECT_EQ(store.seed(), (7ull << 32) + 5);
  Graph other;
  other.read_state({.name = "w", .shape = {4}});
  EXPECT_THROW(store.declare(other), InvalidArgument);
  EXPECT_THROW(store.get("v"), InvalidArgument);
  EXPECT_THROW(store.set("w", floats({1})), InvalidArgument);
}

TEST(Store, SetTakesKnownNamesOnlyAndSaysWhichAreNear) {
  Store store(Device::cpu());
  store.put("conv.weight", floats({1}), StateRole::parameter);
  store.put("conv.bias", floats({2}), StateRole::parameter);
  try {
    store.set("conv.wieght", floats({3}));
    ADD_FAILURE() << "accepted";
  } catch (const InvalidArgument& error) {
    EXPECT_NE(std::string(error.what())
                  .find("there is no entry \"conv.wieght\"; did you mean \"conv.weight\"?"),
              std::string::npos)
        << error.what();
  }
  EXPECT_EQ(store.find("conv.wieght"), nullptr);
  store.set("conv.weight", floats({3}));
  store.put("conv.bias", floats({4}), StateRole::parameter);
  EXPECT_EQ(store.get("conv.weight").item(), 3);
  EXPECT_EQ(store.get("conv.bias").item(), 4);
  EXPECT_EQ(store.parameter_count(), 2);
}

}  // namespace
}  // namespace engine
