#include "engine/kernels/random.h"

#include <cmath>
#include <numbers>
#include <set>

#include <gtest/gtest.h>

#include "engine/core/random.h"
#include "tests/reference/random.h"
#include "tests/support/cases.h"
#include "tests/support/clock.h"
#include "tests/support/compare.h"
#include "tests/support/devices.h"
#include "tests/support/interpret.h"
#include "tests/support/random_tensor.h"

namespace engine {
namespace {

constexpr std::uint64_t kSeed = 0x123456789abcdef0ull;

struct RandomCase {
  const char* name;
  Shape shape;
  std::int32_t step;
};
ENGINE_TEST_CASE_PRINTS_NAME(RandomCase)

const RandomCase kRandomCases[] = {
    {"scalar", {}, 0},
    {"three", {3}, 1},
    {"odd_rows", {7, 13}, 2},
    {"empty", {0, 5}, 0},
    {"parallel", {3, 29, 1009}, 1000000},
};

class RandomTensors : public DeviceTest<RandomCase> {};

TEST_P(RandomTensors, UniformHasThePhiloxBits) {
  const RandomCase& test = GetParam();
  Graph graph;
  graph.output("y", random_uniform(graph, "u", test.shape));
  const Store store = store_at(kSeed, test.step);
  const Tensor y = interpret(graph, {}, &store, device())[0];
  ASSERT_EQ(y.shape(), test.shape);
  const reference::RandomWords words{kSeed, "u", static_cast<std::uint32_t>(test.step)};
  const auto got = y.span<float>();
  for (std::size_t i = 0; i < got.size(); ++i) {
    ASSERT_EQ(got[i], reference::uniform(words(static_cast<std::int64_t>(i)))) << "element " << i;
  }
}

TEST_P(RandomTensors, NormalIsBoxAndMullersWithinTwoUlp) {
  const RandomCase& test = GetParam();
  Graph graph;
  graph.output("y", random_normal(graph, "n", test.shape));
  const Store store = store_at(kSeed, test.step);
  const Tensor y = interpret(graph, {}, &store, device())[0];
  const reference::RandomWords words{kSeed, "n", static_cast<std::uint32_t>(test.step)};
  const auto got = y.span<float>();
  for (std::int64_t i = 0; i < y.elements(); ++i) {
    const double u = (words(i / 2 * 2) + 0.5) / 4294967296.0;
    const double angle = 2 * std::numbers::pi * (words(i / 2 * 2 + 1) / 4294967296.0);
    const double radius = std::sqrt(-2 * std::log(u));
    const double want = radius * (i % 2 == 0 ? std::cos(angle) : std::sin(angle));
    ASSERT_LE(std::fabs(got[static_cast<std::size_t>(i)] - want),
              std::ldexp(std::fabs(want), -22) + 4e-15)
        << "element " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Table, RandomTensors, on_devices(kRandomCases), device_case_name);

TEST(RandomTensor, NumbersDependOnSeedStepAndNameAlone) {
  const auto draw = [](std::uint64_t seed, std::int32_t step, const char* name, bool has_other) {
    Graph graph;
    if (has_other) random_uniform(graph, "other", {5});
    graph.output("y", random_uniform(graph, name, {100}));
    const Store store = store_at(seed, step);
    return interpret(graph, {}, &store)[0];
  };
  const Tensor base = draw(1, 1, "a", false);
  EXPECT_TRUE(same_bits(base, draw(1, 1, "a", true)));
  EXPECT_FALSE(same_bits(base, draw(2, 1, "a", false)));
  EXPECT_FALSE(same_bits(base, draw(1, 2, "a", false)));
  EXPECT_FALSE(same_bits(base, draw(1, 1, "b", false)));
}

TEST(RandomTensor, TheSameNameTwiceGivesOtherNumbers) {
  Graph graph;
  graph.output("first", random_uniform(graph, "a", {100}));
  graph.output("second", random_uniform(graph, "a", {100}));
  const Store store = store_at(1, 0);
  const std::vector<Tensor> values = interpret(graph, {}, &store);
  EXPECT_FALSE(same_bits(values[0], values[1]));
}

TEST(RandomTensor, ANodeOfThatNameIsNoReasonToRepeatNumbers) {
  Graph graph;
  graph.input("noise", {1});
  graph.output("first", random_uniform(graph, "noise", {100}));
  graph.output("second", random_uniform(graph, "noise", {100}));
  graph.output("third", random_uniform(graph, "noise", {100}));
  Graph plain;
  plain.output("first", random_uniform(plain, "noise", {100}));
  const Store store = store_at(1, 0);
  const std::vector<Tensor> values =
      interpret(graph, {{"noise", Tensor::from(std::vector<float>{0}, {1})}}, &store);
  EXPECT_FALSE(same_bits(values[0], values[1]));
  EXPECT_FALSE(same_bits(values[0], values[2]));
  EXPECT_FALSE(same_bits(values[1], values[2]));
  EXPECT_TRUE(same_bits(values[0], interpret(plain, {}, &store)[0]));
}

struct DropoutCase {
  const char* name;
  Shape shape;
  DType dtype;
  float rate;
};
ENGINE_TEST_CASE_PRINTS_NAME(DropoutCase)

const DropoutCase kDropoutCases[] = {
    {"half", {33, 17}, DType::f32, 0.5f},
    {"fifth_bf16", {33, 17}, DType::bf16, 0.2f},
    {"nothing", {9}, DType::f32, 0.0f},
    {"nearly_all", {1, 1000}, DType::f32, 0.999f},
    {"empty", {0}, DType::f32, 0.5f},
    {"parallel", {3, 40001}, DType::f32, 0.3f},
    {"parallel_bf16", {3, 40001}, DType::bf16, 0.3f},
};

class Dropout : public DeviceTest<DropoutCase> {};

// Forward against the definition, and the gradient with the very same mask.
TEST_P(Dropout, MatchesReference) {
  const DropoutCase& test = GetParam();
  Graph graph;
  const Value x = graph.input("x", test.shape, test.dtype);
  const Value dy = graph.input("dy", test.shape, test.dtype);
  const Value y = dropout(x, "drop", test.rate);
  const std::vector<Value> outputs = {y}, flowing = {dy}, inputs = y.node().inputs;
  const bool wanted[] = {true, false};
  const std::vector<Value> slopes = y.node().op->gradient({inputs, outputs, flowing, wanted});
  graph.output("y", y);
  graph.output("dx", slopes[0]);
  const Tensor x_value = random_tensor(test.shape, test.dtype, 1);
  const Tensor dy_value = random_tensor(test.shape, test.dtype, 2);
  const Store store = store_at(kSeed, 5);
  const auto got = interpret(graph, {{"x", x_value}, {"dy", dy_value}}, &store, device());
  if (x_value.elements() == 0) return;

  const reference::RandomWords words{kSeed, "drop", 5};
  const double scale = 1 / (1 - double{test.rate});
  for (const auto& [input, result] : {std::pair(x_value, got[0]), std::pair(dy_value, got[1])}) {
    std::vector<double> want = to_doubles(input), bound;
    std::int64_t kept = 0;
    for (std::size_t i = 0; i < want.size(); ++i) {
      const bool keep =
          reference::uniform(words(static_cast<std::int64_t>(i))) >= double{test.rate};
      kept += keep;
      want[i] *= keep ? scale : 0;
      // 1 - rate, its inverse and the product are rounded.
      bound.push_back(error_bound(2, std::fabs(want[i]) / (1 - test.rate), want[i], test.dtype));
    }
    EXPECT_TRUE(close_to(result, want, bound));
    const double n = static_cast<double>(want.size());
    EXPECT_NEAR(static_cast<double>(kept), (1 - test.rate) * n,
                5 * std::sqrt(n * test.rate * (1 - test.rate)) + 1e-4);
  }
}

INSTANTIATE_TEST_SUITE_P(Table, Dropout, on_devices(kDropoutCases), device_case_name);

TEST(DropoutAtTheRate, Keeps) {
  const reference::RandomWords words{kSeed, "drop", 5};
  const auto rate = static_cast<float>(reference::uniform(words(7)));
  ASSERT_EQ(rate, reference::uniform(words(7)));
  Graph graph;
  graph.output("y", dropout(graph.input("x", {9}), "drop", rate));
  const Tensor ones = Tensor::from(std::vector<float>(9, 1.0f), {9});
  const Store store = store_at(kSeed, 5);
  for (const Device& device : test_devices()) {
    EXPECT_GT(interpret(graph, {{"x", ones}}, &store, device)[0].to_floats()[7], 0) << device;
  }
}

TEST(DropoutErrors, RateAndDtype) {
  Graph graph;
  const Value x = graph.input("x", {2});
  EXPECT_THROW(dropout(x, "d", 1.0f), InvalidArgument);
  EXPECT_THROW(dropout(x, "d", -0.1f), InvalidArgument);
  EXPECT_THROW(dropout(graph.input("i", {2}, DType::i32), "d", 0.5f), InvalidArgument);
}

TEST(DropoutOfNan, ComesThrough) {
  Graph graph;
  graph.output("y", dropout(graph.input("x", {64}), "drop", 0.5f));
  const Store store = store_at(1, 0);
  for (const Device& device : test_devices()) {
    const Tensor y = interpret(graph, {{"x", Tensor::from(std::vector<float>(64, NAN), {64})}},
                               &store, device)[0];
    for (const float value : y.to_floats()) EXPECT_TRUE(std::isnan(value)) << device;
  }
}

struct ShuffleCase {
  const char* name;
  std::int64_t rows, batch;
};
ENGINE_TEST_CASE_PRINTS_NAME(ShuffleCase)

const ShuffleCase kShuffleCases[] = {
    {"one_row", 1, 1},        {"all_at_once", 10, 10}, {"divides", 12, 4},
    {"leaves_a_rest", 23, 4}, {"batch_one", 5, 1},     {"parallel", 1000, 333},
};

class ShuffledRows : public DeviceTest<ShuffleCase> {};

TEST_P(ShuffledRows, EachEpochTakesDistinctRowsInANewOrder) {
  const ShuffleCase& test = GetParam();
  Graph graph;
  graph.output("rows", shuffled_rows(graph, "s", test.rows, test.batch));
  Store store = store_at(kSeed, 0);
  const std::int64_t steps = test.rows / test.batch;
  std::vector<std::int32_t> epochs[2];
  for (int epoch = 0; epoch < 2; ++epoch) {
    for (std::int64_t step = 0; step < steps; ++step) {
      set_step(store, static_cast<std::int32_t>(epoch * steps + step));
      const Tensor rows = interpret(graph, {}, &store, device())[0];
      ASSERT_EQ(rows.elements(), test.batch);
      const auto values = rows.span<std::int32_t>();
      epochs[epoch].insert(epochs[epoch].end(), values.begin(), values.end());
    }
    const std::set<std::int32_t> distinct(epochs[epoch].begin(), epochs[epoch].end());
    EXPECT_EQ(std::ssize(distinct), steps * test.batch);
    EXPECT_GE(*distinct.begin(), 0);
    EXPECT_LT(*distinct.rbegin(), test.rows);
  }
  if (test.rows >= 10) {
    EXPECT_NE(epochs[0], epochs[1]);
  }
}

INSTANTIATE_TEST_SUITE_P(Table, ShuffledRows, on_devices(kShuffleCases), device_case_name);

TEST(ShuffledRowsOfMany, AreTheKeyedPermutation) {
  const RandomKey key = random_key(kSeed, hash_name("s"));
  for (const Device& device : test_devices()) {
    for (const std::int64_t rows : {std::int64_t{2}, std::int64_t{60000}, std::int64_t{1} << 31}) {
      const std::int64_t batch = std::min<std::int64_t>(rows, 700), steps = rows / batch;
      const std::int32_t step = 1000003;
      Graph graph;
      graph.output("rows", shuffled_rows(graph, "s", rows, batch));
      const Store store = store_at(kSeed, step);
      const Tensor taken = interpret(graph, {}, &store, device)[0];
      for (std::int64_t i = 0; i < batch; ++i) {
        const std::uint32_t want = permuted_index(
            key, static_cast<std::uint32_t>(step / steps),
            static_cast<std::uint32_t>(step % steps * batch + i), static_cast<std::uint32_t>(rows));
        ASSERT_EQ(taken.span<std::int32_t>()[static_cast<std::size_t>(i)],
                  static_cast<std::int32_t>(want))
            << "row " << i << " of " << rows << " on " << device;
      }
    }
  }
}

TEST(ShuffledRowsErrors, BatchAboveTheRows) {
  Graph graph;
  try {
    shuffled_rows(graph, "s", 10, 11);
    FAIL() << "did not throw";
  } catch (const InvalidArgument& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("batch 11 of 10 rows"), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace engine
