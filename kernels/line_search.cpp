#include "engine/kernels/line_search.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace engine {
namespace {

constexpr double kDecrease = 1e-4, kCurvature = 0.9;
constexpr double kMostGrowth = 10;  // of the step from one trial to the next

bool is_finite(const LinePoint& point) {
  return std::isfinite(point.value) && std::isfinite(point.slope);
}

// The minimum of the cubic through two points with their slopes, between `from` and `to`; their
// middle where there is none.
double cubic_minimum(const LinePoint& a, const LinePoint& b, double from, double to) {
  const auto [low, high] = std::minmax(from, to);
  const double middle = (low + high) / 2;
  if (!is_finite(a) || !is_finite(b) || a.step == b.step) return middle;
  const double d1 = a.slope + b.slope - 3 * (a.value - b.value) / (a.step - b.step);
  const double square = d1 * d1 - a.slope * b.slope;
  if (!(square >= 0)) return middle;
  const double d2 = std::copysign(std::sqrt(square), b.step - a.step);
  const double step =
      b.step - (b.step - a.step) * (b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2);
  return std::isfinite(step) ? std::clamp(step, low, high) : middle;
}

double between(const LinePoint& a, const LinePoint& b) {
  const double margin = 0.1 * (b.step - a.step);
  return cubic_minimum(a, b, a.step + margin, b.step - margin);
}

bool decreases(const LineSearchState& state, const LinePoint& trial) {
  return is_finite(trial) &&
         trial.value <= state.origin.value + kDecrease * trial.step * state.origin.slope;
}

bool is_flat(const LineSearchState& state, const LinePoint& trial) {
  return std::abs(trial.slope) <= -kCurvature * state.origin.slope;
}

LineDecision narrow(LineSearchState& state, int most_evaluations, double& next) {
  state.stage = LineSearchState::narrowing;
  if (state.evaluations < most_evaluations) {
    next = between(state.low, state.high);
    return LineDecision::evaluate;
  }
  if (state.low.step == 0) return LineDecision::fail;
  state.stage = LineSearchState::last;
  next = state.low.step;
  return LineDecision::evaluate;
}

}  // namespace

LineDecision advance_line_search(LineSearchState& state, const LinePoint& trial,
                                 int most_evaluations, double& next) {
  ++state.evaluations;
  if (state.stage == LineSearchState::last) return LineDecision::accept;
  const bool is_first = state.evaluations == 1;
  if (state.stage != LineSearchState::narrowing) {
    if (is_first) state.low = state.origin;
    if (!decreases(state, trial) || (!is_first && trial.value >= state.low.value)) {
      state.high = trial;
      return narrow(state, most_evaluations, next);
    }
    if (is_flat(state, trial)) return LineDecision::accept;
    if (trial.slope >= 0) {
      state.high = std::exchange(state.low, trial);
      return narrow(state, most_evaluations, next);
    }
    const LinePoint previous = std::exchange(state.low, trial);
    state.stage = LineSearchState::bracketing;
    if (state.evaluations >= most_evaluations) return LineDecision::accept;
    next = cubic_minimum(previous, trial, trial.step + 0.01 * (trial.step - previous.step),
                         kMostGrowth * trial.step);
    return LineDecision::evaluate;
  }
  if (!decreases(state, trial) || trial.value >= state.low.value) {
    state.high = trial;
  } else {
    if (is_flat(state, trial)) return LineDecision::accept;
    if (trial.slope * (state.high.step - state.low.step) >= 0) state.high = state.low;
    state.low = trial;
  }
  return narrow(state, most_evaluations, next);
}

}  // namespace engine
