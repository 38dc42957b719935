#include "engine/core/passes.h"

#include <cmath>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "tests/core/test_ops.h"

namespace engine {
namespace {

using test::floats;
using test::scale;
using test::total;

TEST(Simplify, DropsDeadNodesAndMergesEqualOnes) {
  Graph graph;
  const Value x = graph.input("x", {2});
  scale(x, {.factor = 7});  // dead
  graph.output("y", add_n({scale(x), scale(x)}));
  EXPECT_EQ(join(simplify(graph)),
            "%0 f32[2] = input{x f32[2]}()  # x\n"
            "%1 f32[2] = scale{2}(%0)  # scale\n"
            "%2 f32[2] = add_n(%1, %1)  # add_n\n"
            "output y = %2\n");
}

TEST(Simplify, KeepsRandomNodesApart) {
  Graph graph;
  const Value x = graph.input("x", {2});
  graph.output("y",
               add_n({scale(x, {.effect = Effect::random}), scale(x, {.effect = Effect::random})}));
  EXPECT_EQ(simplify(graph).nodes().size(), 4u);
}

TEST(Simplify, RemovesCastsAndReshapesThatDoNothing) {
  Graph graph;
  const Value x = graph.input("x", {2, 3}, DType::bf16);
  const Value there_and_back = cast(cast(x, DType::f32), DType::bf16);
  graph.output("y", scale(reshape(reshape(there_and_back, {6}), {2, 3})));
  EXPECT_EQ(join(simplify(graph)),
            "%0 bf16[2, 3] = input{x bf16[2, 3]}()  # x\n"
            "%1 bf16[2, 3] = scale{2}(%0)  # scale\n"
            "output y = %1\n");
}

TEST(Simplify, KeepsCastsThatRound) {
  Graph graph;
  const Value x = graph.input("x", {2});
  graph.output("y", cast(cast(x, DType::bf16), DType::f32));
  EXPECT_EQ(simplify(graph).nodes().size(), 3u);
}

TEST(Simplify, ComputesConstants) {
  Graph graph;
  const Value c = scale(graph.constant(floats({1, 2})), {.factor = 3});
  graph.output("y", add_n({graph.input("x", {2}), c}));
  const Graph simple = simplify(graph);
  ASSERT_EQ(simple.nodes().size(), 3u) << simple;
  const Value folded = simple.outputs()[0].second.node().inputs[1];
  EXPECT_EQ(folded.node().op->name(), "constant");
}

TEST(Simplify, MergesEqualNumbersOnly) {
  Graph graph;
  const Value x = graph.input("x", {2});
  const float next = std::nextafter(1.0f, 2.0f);
  const auto integer = [&](std::int32_t value) {
    return graph.constant(Tensor::from(std::vector<std::int32_t>{value}, {}));
  };
  graph.output("1", graph.constant(1.0f));
  graph.output("one", graph.constant(1.0f));
  graph.output("next", graph.constant(next));
  graph.output("million", integer(1000001));
  graph.output("above_24_bits", integer((1 << 24) + 1));
  graph.output("24_bits", integer(1 << 24));
  graph.output("scaled", scale(x, {.factor = 1}));
  graph.output("scaled_by_next", scale(x, {.factor = next}));
  const Graph simple = simplify(graph);
  std::map<std::string, int> node_of;
  for (const auto& [name, value] : simple.outputs()) node_of[name] = value.node_id();
  EXPECT_EQ(node_of["1"], node_of["one"]);
  std::set<int> ids;
  for (const auto& [name, id] : node_of) ids.insert(id);
  EXPECT_EQ(ids.size(), node_of.size() - 1) << simple;
}

// An op that no CPU runs.
class ElsewhereOp final : public Op {
 public:
  std::string_view name() const override { return "elsewhere"; }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    return {inputs[0]};
  }
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override {
    throw InvalidArgument(join("elsewhere: no kernel on ", context.device));
  }
};

TEST(Simplify, LeavesConstantsOfOtherDevicesToThem) {
  Graph graph;
  graph.output("y", graph.add1(std::make_shared<ElsewhereOp>(), {graph.constant(1.0f)}));
  EXPECT_EQ(simplify(graph).nodes().size(), 2u);
}

TEST(Precision, CastsIntoMatrixOpsAndBackAtTheBorder) {
  Graph graph;
  const Value x = graph.input("x", {2});
  const Value product = scale(x, {.precision = PrecisionClass::matrix});
  const Value activation = scale(product, {.factor = 3});
  graph.output("activation", activation);
  graph.output("loss", total(activation));
  EXPECT_EQ(join(apply_precision(graph, Precision::bf16)),
            "%0 f32[2] = input{x f32[2]}()  # x\n"
            "%1 bf16[2] = cast{bf16}(%0)  # cast\n"
            "%2 bf16[2] = scale{2}(%1)  # scale\n"
            "%3 bf16[2] = scale{3}(%2)  # scale#2\n"
            "%4 f32[2] = cast{f32}(%3)  # cast#2\n"
            "%5 f32[] = total(%4)  # total\n"
            "%6 f32[2] = cast{f32}(%3)  # cast#3\n"
            "output activation = %6\n"
            "output loss = %5\n");
  EXPECT_EQ(join(apply_precision(graph, Precision::f32)), join(graph));
  EXPECT_EQ(join(apply_precision(graph, Precision::tf32)), join(graph));
}

TEST(Precision, MatrixOpsOfF16StayThere) {
  Graph graph;
  const Value x = cast(graph.input("x", {2}), DType::f16);
  graph.output("y", scale(x, {.precision = PrecisionClass::matrix}));
  EXPECT_EQ(join(apply_precision(graph, Precision::bf16)), join(graph));
}

TEST(Precision, Names) {
  for (const char* name : {"auto", "f32", "tf32", "bf16"}) {
    EXPECT_EQ(name_of(parse_precision(name)), name);
  }
  EXPECT_THROW(parse_precision("f16"), InvalidArgument);
}

TEST(Precision, StateKeepsItsType) {
  Graph graph;
  const Value s = graph.read_state({.name = "s", .shape = {2}});
  graph.update_state("s", scale(s, {.precision = PrecisionClass::matrix}));
  const Graph narrow = apply_precision(graph, Precision::bf16);
  EXPECT_EQ(narrow.updates()[0].second.dtype(), DType::f32);
}

// scale{a}(scale{b}(x)) -> scale{a * b}(x), when nothing else reads the inner one.
FusionRule scale_of_scale() {
  return {"scale_of_scale",
          [](Graph&, const Node& node, const Uses& uses, const Device&) -> std::vector<Value> {
            if (node.op->name() != "scale" || node.inputs[0].node().op->name() != "scale")
              return {};
            if (uses.count(node.inputs[0]) != 1) return {};
            const float product = std::stof(node.op->attributes()) *
                                  std::stof(node.inputs[0].node().op->attributes());
            return {scale(node.inputs[0].node().inputs[0], {.factor = product})};
          }};
}

TEST(Fuse, AppliesRulesUntilNoneMatches) {
  Graph graph;
  const Value x = graph.input("x", {2});
  graph.output("y", scale(scale(scale(scale(x)))));
  const std::vector<FusionRule> rules{scale_of_scale()};
  EXPECT_EQ(join(fuse(graph, rules, Device::cpu())),
            "%0 f32[2] = input{x f32[2]}()  # x\n"
            "%1 f32[2] = scale{16}(%0)  # scale\n"
            "output y = %1\n");
}

TEST(Fuse, SeesEveryReader) {
  Graph graph;
  const Value inner = scale(graph.input("x", {2}), {.factor = 3});
  graph.output("y", scale(inner, {.factor = 5}));
  graph.output("inner", inner);
  const std::vector<FusionRule> rules{scale_of_scale()};
  EXPECT_EQ(fuse(graph, rules, Device::cpu()).nodes().size(), 3u);
}

TEST(Fuse, RefusesARuleThatChangesAType) {
  Graph graph;
  graph.output("y", scale(graph.input("x", {2})));
  const std::vector<FusionRule> rules{
      {"bad", [](Graph&, const Node& node, const Uses&, const Device&) -> std::vector<Value> {
         if (node.op->name() != "scale") return {};
         return {reshape(node.inputs[0], {2, 1})};
       }}};
  EXPECT_THROW(fuse(graph, rules, Device::cpu()), InvalidArgument);
}

TEST(Order, PrefersTheOrderThatNeedsLessMemory) {
  // Built wide: all four large values first, then their totals. Run deep it needs one at a time.
  Graph graph;
  const Value x = graph.input("x", {1000});
  std::vector<Value> large;
  for (int i = 0; i < 4; ++i) {
    large.push_back(scale(x, {.factor = static_cast<float>(i), .in_place = false}));
  }
  std::vector<Value> totals;
  for (const Value& value : large) totals.push_back(total(value));
  graph.output("y", add_n(totals));
  const Graph ordered = order(graph);
  std::string names;
  for (const Node& node : ordered.nodes()) names += std::string(node.op->name()) + ' ';
  EXPECT_EQ(names, "input scale total scale total scale total scale total add_n ");
}

}  // namespace
}  // namespace engine
