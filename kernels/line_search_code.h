#pragma once

// The line search of line_search.h as code for the host and for CUDA kernels alike: no function of
// the standard library that nvcc takes for the host's alone.
#include <cmath>

#include "engine/core/host_device.h"
#include "engine/kernels/line_search.h"

namespace engine::line_search {

ENGINE_HOST_DEVICE bool is_finite(double value) {
  return value - value == 0;
}
ENGINE_HOST_DEVICE bool is_finite(const LinePoint& point) {
  return is_finite(point.value) && is_finite(point.slope);
}

// The minimum of the cubic through two points with their slopes, between `from` and `to`; their
// middle where there is none.
ENGINE_HOST_DEVICE double cubic_minimum(const LinePoint& a, const LinePoint& b, double from,
                                        double to) {
  const double low = from < to ? from : to, high = from < to ? to : from;
  const double middle = (low + high) / 2;
  if (!is_finite(a) || !is_finite(b) || a.step == b.step) return middle;
  const double d1 = a.slope + b.slope - 3 * (a.value - b.value) / (a.step - b.step);
  const double square = d1 * d1 - a.slope * b.slope;
  if (!(square >= 0)) return middle;
  const double root = ::sqrt(square);
  const double d2 = b.step < a.step ? -root : root;
  const double step =
      b.step - (b.step - a.step) * (b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2);
  if (!is_finite(step)) return middle;
  return step < low ? low : step > high ? high : step;
}

ENGINE_HOST_DEVICE double between(const LinePoint& a, const LinePoint& b) {
  const double margin = 0.1 * (b.step - a.step);
  return cubic_minimum(a, b, a.step + margin, b.step - margin);
}

ENGINE_HOST_DEVICE bool decreases(const LineSearchState& state, const LinePoint& trial) {
  constexpr double kDecrease = 1e-4;
  return is_finite(trial) &&
         trial.value <= state.origin.value + kDecrease * trial.step * state.origin.slope;
}

ENGINE_HOST_DEVICE bool is_flat(const LineSearchState& state, const LinePoint& trial) {
  constexpr double kCurvature = 0.9;
  return ::fabs(trial.slope) <= -kCurvature * state.origin.slope;
}

ENGINE_HOST_DEVICE LineDecision narrow(LineSearchState& state, int most_evaluations, double& next) {
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

// advance_line_search()
ENGINE_HOST_DEVICE LineDecision advance(LineSearchState& state, const LinePoint& trial,
                                        int most_evaluations, double& next) {
  constexpr double kMostGrowth = 10;  // of the step from one trial to the next
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
    const LinePoint previous = state.low;
    state.low = trial;
    if (trial.slope >= 0) {
      state.high = previous;
      return narrow(state, most_evaluations, next);
    }
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

}  // namespace engine::line_search
