#pragma once

namespace engine {

// A point of a line: how far along, the value there and its slope.
struct LinePoint {
  double step = 0, value = 0, slope = 0;
};

// Where the search stands between two evaluations.
struct LineSearchState {
  enum Stage { fresh = 0, bracketing = 1, narrowing = 2, last = 3 };
  Stage stage = fresh;
  int evaluations = 0;
  LinePoint origin;     // step 0
  LinePoint low, high;  // narrowing: the bracket; bracketing: low is the previous trial
};

enum class LineDecision { evaluate, accept, fail };

// The strong Wolfe line search as a machine that is fed one evaluation at a time: `trial` has just
// been evaluated; `next` receives the step to evaluate when it says so. Ends after
// `most_evaluations`: with one more evaluation, of the best point so far, if that improves on the
// origin, else by failing.
// Source: Nocedal and Wright 2006, Numerical Optimization, algorithms 3.5 and 3.6, with the cubic
// of equation 3.59 kept a tenth of the bracket away from its ends.
LineDecision advance_line_search(LineSearchState& state, const LinePoint& trial,
                                 int most_evaluations, double& next);

}  // namespace engine
