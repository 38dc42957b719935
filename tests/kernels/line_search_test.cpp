#include "engine/kernels/line_search.h"

#include <cmath>
#include <functional>

#include <gtest/gtest.h>

#include "tests/support/cases.h"

namespace engine {
namespace {

struct Case {
  const char* name;
  double first;  // trial
  std::function<double(double)> value, slope;
};
ENGINE_TEST_CASE_PRINTS_NAME(Case)

const Case kCases[] = {
    {"parabola_exact", 1, [](double t) { return (t - 1) * (t - 1); },
     [](double t) { return 2 * (t - 1); }},
    {"parabola_far", 1e-3, [](double t) { return (t - 7) * (t - 7); },
     [](double t) { return 2 * (t - 7); }},
    {"parabola_overshoot", 1e3, [](double t) { return (t - 7) * (t - 7); },
     [](double t) { return 2 * (t - 7); }},
    {"quartic", 1, [](double t) { return std::pow(t - 3, 4); },
     [](double t) { return 4 * std::pow(t - 3, 3); }},
    {"waves", 5, [](double t) { return 0.05 * t * t - std::sin(t); },
     [](double t) { return 0.1 * t - std::cos(t); }},
    // More and Thuente 1994, function 5.1 with beta 2.
    {"more_thuente", 100, [](double t) { return -t / (t * t + 2); },
     [](double t) { return (t * t - 2) / ((t * t + 2) * (t * t + 2)); }},
    {"infinite_beyond_two", 10, [](double t) { return t < 2 ? (t - 1) * (t - 1) : INFINITY; },
     [](double t) { return t < 2 ? 2 * (t - 1) : NAN; }},
};

struct Outcome {
  LineDecision decision;
  LinePoint point;
  int evaluations;
};

Outcome search(const Case& c, int most) {
  LineSearchState state{.stage = LineSearchState::bracketing,
                        .origin = {0, c.value(0), c.slope(0)}};
  double step = c.first, next = 0;
  for (int i = 1; i < 100; ++i) {
    const LinePoint trial{step, c.value(step), c.slope(step)};
    const LineDecision decision = advance_line_search(state, trial, most, next);
    if (decision != LineDecision::evaluate) return {decision, trial, i};
    step = next;
  }
  return {LineDecision::fail, {}, 100};
}

class LineSearchTest : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Functions, LineSearchTest, testing::ValuesIn(kCases), case_name);

TEST_P(LineSearchTest, EndsWhereTheStrongWolfeConditionsHold) {
  const Case& c = GetParam();
  const Outcome found = search(c, 25);
  ASSERT_EQ(found.decision, LineDecision::accept);
  EXPECT_LE(found.point.value, c.value(0) + 1e-4 * found.point.step * c.slope(0));
  EXPECT_LE(std::abs(found.point.slope), 0.9 * std::abs(c.slope(0)));
  EXPECT_LE(found.evaluations, 20);
}

TEST(LineSearchLimits, FailsWhereNothingDecreases) {
  const Case rising{"rising", 1, [](double t) { return std::abs(t); }, [](double) { return -1.0; }};
  EXPECT_EQ(search(rising, 8).decision, LineDecision::fail);
}

TEST(LineSearchLimits, EndsWithTheBestPointWhenItMayNotGoOn) {
  // A kink: the slope is never small, so the second condition holds nowhere.
  const Case kink{"kink", 8, [](double t) { return std::abs(t - 1); },
                  [](double t) { return t < 1 ? -1.0 : 1.0; }};
  const Outcome found = search(kink, 6);
  EXPECT_EQ(found.decision, LineDecision::accept);
  EXPECT_EQ(found.evaluations, 7);
  EXPECT_LT(found.point.value, 1);
}

}  // namespace
}  // namespace engine
