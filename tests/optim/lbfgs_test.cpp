#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "engine/core/checkpoint.h"
#include "engine/core/structural_ops.h"
#include "engine/kernels/binary.h"
#include "engine/kernels/compile.h"
#include "engine/kernels/reduce.h"
#include "engine/kernels/unary.h"
#include "engine/layers/history.h"
#include "engine/optim/minimize.h"
#include "tests/support/compare.h"
#include "tests/support/devices.h"
#include "tests/support/interpret.h"
#include "tests/support/random_tensor.h"

namespace engine {
namespace {

// Of a bowl that is run for long: little on a device, which may be emulated.
struct LongRun {
  std::int64_t elements, evaluations;
};
LongRun long_run_on(const Device& device) {
  return device.is_cpu() ? LongRun{10'000, 90} : LongRun{40, 48};
}

// 1/2 sum of a_i (p_i - 1)^2 with curvatures from 1 to 100.
struct Bowl {
  Graph graph;
  Scope net{graph};
  Value p, loss;

  explicit Bowl(std::int64_t elements) : p(net.parameter("p", {elements}, init::uniform(-2, 2))) {
    std::vector<float> curvature;
    const float last = static_cast<float>(elements - 1);
    for (int i = 0; i < elements; ++i) curvature.push_back(std::pow(100.0f, i / last));
    const Value a = graph.constant(Tensor::from(curvature, {elements}));
    loss = 0.5f * sum(a * square(p - 1.0f));
  }
};

// Rosenbrock's valley in two dimensions, from its usual start.
struct Valley {
  Graph graph;
  Scope net{graph};
  Value p = net.parameter("p", {2}, init::constant(-1.2f));
  Value loss;

  Valley() {
    const auto pick = [&](float x, float y) {
      return sum(p * graph.constant(Tensor::from(std::vector<float>{x, y}, {2})));
    };
    const Value x = pick(1, 0), y = pick(0, 1);
    loss = 100.0f * square(y - square(x)) + square(1.0f - x);
  }
};

template <class Model>
std::vector<double> minimum(Model& model, const Lbfgs& options, std::int64_t evaluations,
                            Store& store) {
  minimize(model.net, model.loss, options, {.parameters = {model.p}});
  Executable step = compile(model.graph, store, {.precision = Precision::f32});
  step.run(evaluations);
  return to_doubles(store.get("p.lbfgs_origin").to(Device::cpu()));
}

float word(const Store& store, LbfgsWord which) {
  return store.get("p.lbfgs_words").to(Device::cpu()).to_floats()[static_cast<std::size_t>(which)];
}

double worst_from_one(const std::vector<double>& values) {
  double worst = 0;
  for (const double value : values) worst = std::max(worst, std::abs(value - 1));
  return worst;
}

class LbfgsSearch : public testing::TestWithParam<Device> {};
INSTANTIATE_TEST_SUITE_P(Devices, LbfgsSearch, testing::ValuesIn(test_devices()), device_name);

TEST_P(LbfgsSearch, FixedStepsFindTheBottomOfABowl) {
  const auto [elements, evaluations] = long_run_on(GetParam());
  Bowl bowl(elements);
  Store store(GetParam());
  EXPECT_LT(worst_from_one(minimum(bowl, {}, evaluations, store)), 1e-3);
  EXPECT_GE(word(store, LbfgsWord::accepted), 8 * evaluations / 9);
  EXPECT_EQ(word(store, LbfgsWord::pairs), 10);
}

TEST_P(LbfgsSearch, TheLineSearchFindsTheEndOfAValley) {
  Valley valley;
  Store store(GetParam());
  const auto found = minimum(valley, {.line_search = LineSearch::strong_wolfe}, 90, store);
  EXPECT_LT(worst_from_one(found), 2e-3);
}

TEST_P(LbfgsSearch, WithALineSearchAcceptedLossesNeverRise) {
  Valley valley;
  minimize(valley.net, valley.loss, Lbfgs{.line_search = LineSearch::strong_wolfe},
           {.parameters = {valley.p}});
  Store store(GetParam());
  Executable step = compile(valley.graph, store, {.precision = Precision::f32});
  float last = std::numeric_limits<float>::infinity();
  for (int i = 0; i < 60; ++i) {
    step.run();
    const float loss = word(store, LbfgsWord::loss);
    EXPECT_LE(loss, last) << i;
    last = loss;
  }
}

// The textbook's recursion in double, on a small problem with a full history.
TEST_P(LbfgsSearch, DirectionsMatchTheDenseInverseHessian) {
  Graph graph;
  Scope net(graph);
  const Value p = net.parameter("p", {3}, init::uniform(-1, 1));
  const Value a = graph.constant(Tensor::from(std::vector<float>{1, 4, 9}, {3}));
  const Value loss = 0.5f * sum(a * square(p)) + 0.25f * sum(square(square(p)));
  minimize(net, loss, Lbfgs{.learning_rate = 0.5f, .history = 2}, {.parameters = {p}});
  Store store(GetParam());
  Executable step = compile(graph, store, {.precision = Precision::f32});
  using Vector = std::vector<double>;
  const auto gradient = [](const Vector& x) {
    return Vector{x[0] + x[0] * x[0] * x[0], 4 * x[1] + x[1] * x[1] * x[1],
                  9 * x[2] + x[2] * x[2] * x[2]};
  };
  std::vector<Vector> points;
  for (int i = 0; i < 5; ++i) {
    points.push_back(to_doubles(store.get("p").to(Device::cpu())));
    step.run();
  }
  // BFGS updates of H0 = (s.y / y.y) I by the last two pairs (Nocedal and Wright, equation 7.16).
  const auto pair = [&](int i) {
    const Vector g0 = gradient(points[i]), g1 = gradient(points[i + 1]);
    Vector s, y;
    for (int k = 0; k < 3; ++k) {
      s.push_back(points[i + 1][k] - points[i][k]);
      y.push_back(g1[k] - g0[k]);
    }
    return std::pair{s, y};
  };
  const auto dot = [](const Vector& u, const Vector& v) {
    return u[0] * v[0] + u[1] * v[1] + u[2] * v[2];
  };
  const auto [s_new, y_new] = pair(3);
  double h[3][3] = {};
  for (int k = 0; k < 3; ++k) h[k][k] = dot(s_new, y_new) / dot(y_new, y_new);
  for (int i : {2, 3}) {
    const auto [s, y] = pair(i);
    const double rho = 1 / dot(s, y);
    double v[3][3], next[3][3];
    for (int r = 0; r < 3; ++r)
      for (int c = 0; c < 3; ++c) v[r][c] = (r == c ? 1 : 0) - rho * y[r] * s[c];
    for (int r = 0; r < 3; ++r)
      for (int c = 0; c < 3; ++c) {
        next[r][c] = rho * s[r] * s[c];
        for (int m = 0; m < 3; ++m)
          for (int n = 0; n < 3; ++n) next[r][c] += v[m][r] * h[m][n] * v[n][c];
      }
    std::copy(&next[0][0], &next[0][0] + 9, &h[0][0]);
  }
  const Vector g = gradient(points[4]), moved = to_doubles(store.get("p").to(Device::cpu()));
  for (int r = 0; r < 3; ++r) {
    const double want = points[4][r] - 0.5 * (h[r][0] * g[0] + h[r][1] * g[1] + h[r][2] * g[2]);
    EXPECT_NEAR(moved[r], want, 1e-5) << r;
  }
}

TEST_P(LbfgsSearch, GoesBackWhenTheLossExplodes) {
  const auto [elements, evaluations] = long_run_on(GetParam());
  Bowl bowl(elements);
  Store store(GetParam());
  // Steps of twenty times the right length diverge at once.
  const auto found = minimum(bowl, {.learning_rate = 20.0f}, 2 * evaluations / 3, store);
  EXPECT_GT(word(store, LbfgsWord::fallbacks), 0);
  EXPECT_LT(word(store, LbfgsWord::damping), 1);
  EXPECT_TRUE(std::isfinite(word(store, LbfgsWord::loss)));
  EXPECT_LT(worst_from_one(found), 3);  // no further away than it began
}

TEST_P(LbfgsSearch, StopsWhereNothingImproves) {
  Graph graph;
  Scope net(graph);
  const Value p = net.parameter("p", {4}, init::ones());
  // Not a number anywhere but at the start.
  const Value loss = sum(log(p - 1.0f + 0.0f * p));
  minimize(net, loss, Lbfgs{}, {.parameters = {p}});
  Store store(GetParam());
  Executable step = compile(graph, store, {.precision = Precision::f32});
  step.run(60);
  EXPECT_EQ(word(store, LbfgsWord::stalled), 1);
  EXPECT_EQ(store.get("p").to(Device::cpu()).to_floats(),
            store.get("p.lbfgs_origin").to(Device::cpu()).to_floats());
}

TEST_P(LbfgsSearch, StaysAtAMinimum) {
  Graph graph;
  Scope net(graph);
  const Value p = net.parameter("p", {4}, init::ones());
  minimize(net, sum(square(p - 1.0f)), Lbfgs{}, {.parameters = {p}});
  Store store(GetParam());
  Executable step = compile(graph, store, {.precision = Precision::f32});
  step.run(5);
  EXPECT_EQ(word(store, LbfgsWord::pairs), 0);  // of no length
  EXPECT_EQ(word(store, LbfgsWord::fallbacks), 0);
  EXPECT_EQ(store.get("p").to(Device::cpu()).to_floats(), std::vector<float>(4, 1.0f));
}

TEST_P(LbfgsSearch, ResumesWithTheSameBits) {
  const auto path = std::filesystem::path(testing::TempDir()) / "lbfgs_resume.safetensors";
  const auto build = [](Valley& valley) {
    minimize(valley.net, valley.loss, Lbfgs{.line_search = LineSearch::strong_wolfe},
             {.parameters = {valley.p}});
  };
  Valley first, second;
  build(first);
  build(second);
  Store store(GetParam()), resumed(GetParam());
  Executable step = compile(first.graph, store, {.precision = Precision::f32});
  step.run(17);
  save_checkpoint(store, path);
  step.run(16);
  Executable again = compile(second.graph, resumed, {.precision = Precision::f32});
  load_checkpoint(resumed, path);
  again.run(16);
  for (const auto& entry : store.entries()) {
    EXPECT_TRUE(
        same_bits(entry.tensor.to(Device::cpu()), resumed.get(entry.name).to(Device::cpu())))
        << entry.name;
  }
  std::filesystem::remove(path);
}

// More than one block of a device, in whole packs and not.
TEST_P(LbfgsSearch, FollowsTheCpu) {
  for (LineSearch search : {LineSearch::none, LineSearch::strong_wolfe}) {
    const std::int64_t elements = search == LineSearch::none ? 2'056 : 1'031;
    Bowl here(elements), there(elements);
    Store store(GetParam()), cpu(Device::cpu());
    const Lbfgs options{.history = 3, .line_search = search};
    const auto got = minimum(here, options, 8, store), want = minimum(there, options, 8, cpu);
    for (std::size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(got[i], want[i], 1e-4) << i;
    EXPECT_NEAR(word(store, LbfgsWord::slope) / word(cpu, LbfgsWord::slope), 1, 1e-3);
    EXPECT_EQ(word(store, LbfgsWord::accepted), word(cpu, LbfgsWord::accepted));
  }
}

// Guard bands, NaN-filled outputs, in-place pairs and two runs alike: what interpret() checks.
TEST_P(LbfgsSearch, TheOpKeepsToItsBuffers) {
  for (LineSearch search : {LineSearch::none, LineSearch::strong_wolfe}) {
    Bowl bowl(search == LineSearch::none ? 152 : 1'031);  // whole packs, and not
    minimize(bowl.net, bowl.loss, Lbfgs{.history = 3, .line_search = search},
             {.parameters = {bowl.p}});
    bowl.graph.output("next", bowl.graph.next_state("p"));
    Store store(GetParam());
    Executable step = compile(bowl.graph, store, {.precision = Precision::f32});
    for (int i = 0; i < 5; ++i) {
      const Tensor want = interpret(bowl.graph, {}, &store, GetParam())[0];
      step.run();
      EXPECT_TRUE(same_bits(store.get("p").to(Device::cpu()), want)) << i;
    }
  }
}

TEST(LbfgsErrors, NamesWhatItDoesNotTake) {
  Graph graph;
  Scope net(graph);
  const Value a = net.parameter("a", {2}, init::ones()), b = net.parameter("b", {2}, init::ones());
  const Value loss = sum(a * b);
  const auto message = [&](const MinimizeOptions& options, const Lbfgs& lbfgs) -> std::string {
    try {
      minimize(net, loss, lbfgs, options);
    } catch (const InvalidArgument& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_NE(message({}, {}).find("one parameter and no clip_norm, got 2 parameters"),
            std::string::npos);
  EXPECT_NE(message({.parameters = {a}, .clip_norm = 1}, {}).find("clip_norm 1"),
            std::string::npos);
  EXPECT_NE(message({.parameters = {a}}, {.history = 0}).find("history 0 must be 1 to 64"),
            std::string::npos);
}

TEST(AverageIterates, IsTheMeanAtFirstAndThenExponential) {
  Graph graph;
  Scope net(graph);
  const Value p = net.parameter("p", {1}, init::zeros());
  minimize(net, sum(p), Sgd{.learning_rate = 1.0});  // p = -1, -2, -3, ...
  average_iterates(net, p, 0.75);
  Store store(Device::cpu());
  Executable step = compile(graph, store);
  double average = 0;
  for (int t = 1; t <= 8; ++t) {
    step.run();
    average += std::max(0.25, 1.0 / t) * (-t - average);
    EXPECT_NEAR(store.get("p.average").item(), average, 1e-5) << t;
  }
  EXPECT_THROW(average_iterates(net, p, 1.0), InvalidArgument);
}

}  // namespace
}  // namespace engine
