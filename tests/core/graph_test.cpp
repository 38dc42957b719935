#include "engine/core/graph.h"

#include <gtest/gtest.h>

#include "engine/core/autodiff.h"
#include "engine/core/executable.h"
#include "engine/core/scope.h"
#include "tests/core/test_ops.h"

namespace engine {
namespace {

using test::floats;
using test::scale;
using test::total;

std::string message_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "nothing was thrown";
}

TEST(Scope, SameNameIsTheSameParameter) {
  Graph graph;
  const Scope net(graph);
  const Value first = (net / "conv" / 1).parameter("weight", {2, 3}, init::ones());
  const Value again = (net / "conv" / 1).parameter("weight", {2, 3}, init::ones());
  EXPECT_EQ(first, again);
  EXPECT_EQ(graph.state_of(first).name, "conv.1.weight");
  EXPECT_EQ(graph.parameters().size(), 1u);
  const std::string message = message_of([&] {
    (net / "conv" / 1).parameter("weight", {3, 3}, init::ones());
  });
  EXPECT_NE(message.find("f32[2, 3]"), std::string::npos) << message;
  EXPECT_NE(message.find("f32[3, 3]"), std::string::npos) << message;
}

TEST(Graph, RefusesWhatCannotWork) {
  Graph graph;
  Graph other;
  const Value x = graph.input("x", {2});
  const Value foreign = other.input("x", {2});
  EXPECT_NE(message_of([&] { add_n({x, foreign}); }).find("another graph"), std::string::npos);
  EXPECT_NE(message_of([&] { graph.input("x", {3}); }).find("there already"), std::string::npos);
  EXPECT_NE(message_of([&] { graph.output("y", Value()); }).find("not a value"), std::string::npos);
  EXPECT_NE(message_of([&] { reshape(x, {3}); }).find("[2]"), std::string::npos);
  graph.read_state({.name = "s", .shape = {2}});
  graph.update_state("s", x);
  EXPECT_NE(message_of([&] { graph.update_state("s", x); }).find("twice"), std::string::npos);
  EXPECT_NE(message_of([&] { graph.update_state("t", x); }).find("never read"), std::string::npos);
}

TEST(Graph, ValuesSurviveAMoveOfTheGraph) {
  Graph graph;
  const Value x = graph.input("x", {2});
  Graph moved = std::move(graph);
  moved.output("y", scale(x));
  EXPECT_EQ(moved.outputs()[0].second.shape(), Shape{2});
}

TEST(Scope, SurvivesAMoveOfTheGraph) {
  Graph graph;
  const Scope net(graph);
  Graph moved = std::move(graph);
  const Value weight = (net / "a").parameter("weight", {2}, init::ones());
  EXPECT_EQ(moved.parameters(), std::vector<Value>{weight});
}

TEST(Scope, ListsTheParametersUnderIt) {
  Graph graph;
  const Scope net(graph);
  const Value a = (net / "a").parameter("weight", {1}, init::ones());
  const Value b = (net / "b" / 1).parameter("weight", {1}, init::ones());
  (net / "bc").parameter("weight", {1}, init::ones());
  (net / "b").state("count", {});
  EXPECT_EQ((net / "b").parameters(), std::vector<Value>{b});
  EXPECT_EQ((net / "a").parameters(), std::vector<Value>{a});
  EXPECT_EQ(net.parameters(), graph.parameters());
}

TEST(Graph, AStateKeepsItsRole) {
  Graph graph;
  graph.read_state({.name = "w", .shape = {2}, .role = StateRole::parameter});
  const std::string message = message_of([&] { graph.read_state({.name = "w", .shape = {2}}); });
  EXPECT_NE(message.find("declared as a parameter before, now as a counter"), std::string::npos)
      << message;
}

TEST(Graph, AnUpdateThatIsRefusedLeavesTheOneBefore) {
  Graph graph;
  const Value s = graph.read_state({.name = "s", .shape = {2}});
  const Value next = scale(s);
  graph.update_state("s", next);
  EXPECT_THROW(graph.replace_update("s", graph.input("x", {3})), InvalidArgument);
  EXPECT_EQ(graph.next_state("s"), next);
  graph.replace_update("s", scale(next));
  EXPECT_EQ(graph.updates().size(), 1u);
}

TEST(Graph, PrintsOneNodeALine) {
  Graph graph;
  graph.output("y", scale(graph.input("x", {2, 3}), {.factor = 3}));
  EXPECT_EQ(join(graph),
            "%0 f32[2, 3] = input{x f32[2, 3]}()  # x\n"
            "%1 f32[2, 3] = scale{3}(%0)  # scale\n"
            "output y = %1\n");
}

TEST(Graph, NamesNodesAfterTheirLayer) {
  Graph graph;
  const Scope net(graph);
  const Value x = graph.input("x", {2});
  const auto layer = [&](const Scope& scope, const Value& value) {
    const NameScope names = scope.name_nodes();
    return scale(value);
  };
  EXPECT_EQ(layer(net / "a", x).node().name, "a/scale");
  const Value twin = layer(net / "a", x);
  EXPECT_EQ(twin.node().name, "a/scale#2");
  EXPECT_EQ(scale(x).node().name, "scale");
  // What the gradient adds belongs to the same layer.
  const Value dx = gradients(total(twin), std::vector<Value>{x})[0];
  EXPECT_EQ(dx.node().name, "a/scale#3");
}

std::vector<float> run_output(const Graph& graph, const std::string& name,
                              const std::vector<std::pair<std::string, Tensor>>& inputs) {
  Store store(Device::cpu());
  Executable executable = build_executable(graph, store, {}, {.precision = Precision::f32});
  for (const auto& [input, tensor] : inputs) executable.set_input(input, tensor);
  executable.run();
  return executable.output(name).to_floats();
}

TEST(Autodiff, AddsTheGradientsOfEveryPath) {
  Graph graph;
  const Value x = graph.input("x", {3});
  const Value y =
      add_n({scale(x, {.factor = 2}), scale(scale(x, {.factor = 3}), {.factor = 5}), x});
  const Value dx = gradients(total(y), std::vector<Value>{x})[0];
  graph.output("dx", dx);
  EXPECT_EQ(run_output(graph, "dx", {{"x", floats({1, 2, 3})}}), (std::vector<float>{18, 18, 18}));
}

TEST(Autodiff, GivesZerosWhereNothingFlows) {
  Graph graph;
  const Value x = graph.input("x", {2});
  const Value unused = graph.input("unused", {2, 2});
  const std::vector<Value> grads =
      gradients(total(add_n({scale(stop_gradient(x)), x})), std::vector<Value>{x, unused});
  graph.output("dx", grads[0]);
  graph.output("dunused", grads[1]);
  EXPECT_EQ(run_output(graph, "dx",
                       {{"x", floats({1, 2})},
                        {"unused", Tensor::zeros({2, 2}, DType::f32, Device::cpu())}}),
            (std::vector<float>{1, 1}));
  EXPECT_EQ(grads[1].shape(), (Shape{2, 2}));
}

TEST(Autodiff, AsksNoGradientOfWhatIsFrozen) {
  Graph graph;
  const Scope net(graph);
  const Value frozen = net.parameter("frozen", {2}, init::ones());
  const Value wanted = net.parameter("wanted", {2}, init::ones());
  // The op on the frozen path has no gradient; nobody asks for one.
  const Value blocked = scale(frozen, {.has_gradient = false});
  EXPECT_NO_THROW(gradients(total(add_n({blocked, wanted})), std::vector<Value>{wanted}));
  EXPECT_NE(message_of([&] {
              gradients(total(scale(wanted, {.has_gradient = false})), std::vector<Value>{wanted});
            }).find("no gradient"),
            std::string::npos);
  EXPECT_NE(message_of([&] { gradients(wanted, std::vector<Value>{wanted}); }).find("f32[2]"),
            std::string::npos);
}

TEST(Autodiff, StopsAtAValueThatWasAskedFor) {
  Graph graph;
  const Value x = graph.input("x", {2});
  const Value middle = scale(x, {.has_gradient = false});
  const Value slope = gradients(total(scale(middle)), std::vector<Value>{middle})[0];
  graph.output("slope", slope);
  EXPECT_EQ(run_output(graph, "slope", {{"x", floats({1, 2})}}), (std::vector<float>{2, 2}));
}

}  // namespace
}  // namespace engine
