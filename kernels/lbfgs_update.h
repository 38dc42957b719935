#pragma once

#include <memory>

#include "engine/core/graph.h"

namespace engine {

enum class LineSearch : std::uint8_t {
  none,          // every finite step of the given length is taken, unless the loss explodes
  strong_wolfe,  // sufficient decrease and curvature, by bracketing and cubic interpolation
};

struct LbfgsUpdate {
  int history = 10;  // pairs kept, 1 to 64
  LineSearch line_search = LineSearch::none;
  float first_step = 0.01f;  // root mean square change of x in the first step from no history
  float most_growth = 10;  // without a line search: a loss above this times the lowest one diverges
  int most_evaluations = 20;  // of one line search
};

// The scalars of the search, a f32 vector [kLbfgsWords + history]: which of them is where. After
// them come the products s . y of the pairs.
enum class LbfgsWord : int {
  pairs,        // in the history
  newest,       // row of the newest pair
  stage,        // of the line search; 0: x has just been set
  evaluations,  // in this line search
  loss,         // at the origin
  slope,        // along the direction at the origin
  step,         // length of the trial
  damping,      // multiplies steps; halved by each divergence
  low_step,
  low_loss,
  low_slope,  // the better end of the bracket; none: the lowest loss
  high_step,
  high_loss,
  high_slope,  // the other one
  accepted,    // steps taken
  fallbacks,   // times that the history was dropped because it led astray
  stalled,     // 1: not even the steepest descent improves the loss
  count
};
inline constexpr int kLbfgsWords = 24;  // room for all of them

struct LbfgsInputs {
  Value learning_rate;  // scalar: the step's length (none), the first trial's (strong_wolfe)
  Value loss;           // scalar, at x
  Value x;              // the point that was evaluated
  Value gradient;       // there
  Value origin;         // the point from which the line search began, and its gradient
  Value origin_gradient;
  Value direction;
  Value steps;    // [history, elements of x], a ring of s = x' - x
  Value changes;  // [history, elements of x], a ring of y = g' - g
  Value words;    // [kLbfgsWords + history]
};

struct LbfgsResult {
  Value x;  // to be evaluated next
  Value origin, origin_gradient, direction, steps, changes, words;
};

// One evaluation's worth of L-BFGS, seen from inside: the caller evaluates loss and gradient at x,
// and this decides which x comes next. Without a line search each call takes a step:
//   x' = x - learning_rate H g, H from the two-loop recursion with H0 = (s . y) / (y . y).
// With one, a call moves along the direction until the strong Wolfe conditions hold (c1 1e-4, c2
// 0.9), and then takes the step. Pairs with s . y <= 1e-10 y . y are not kept. The first step from
// no history is along -g.
// When a loss is not finite or explodes, or a line search ends without a decrease, it goes back to
// the origin, drops the history, halves `damping` and counts a fallback; when steepest descent
// fails too, x stays and `stalled` is set.
// Shapes: x, gradient, origin, origin_gradient and direction alike.
// Dtypes: all f32 (f32 class). Products in blocks of 4096 elements in f32, their sums in double in
//   order: the same bits for every thread count. All but learning_rate, loss and gradient may be
//   updated in place.
//   On CUDA every call is the same launches, whichever way the search goes, and the order of sums
//   depends on the count of elements alone.
// Scratch: 8 bytes a block.
// Source: Nocedal and Wright 2006, Numerical Optimization, algorithms 7.4, 7.5, 3.5 and 3.6; all in
//   one evaluation per call, which the book does not do.
LbfgsResult lbfgs_update(const LbfgsInputs& inputs, const LbfgsUpdate& options);

namespace cpu {
std::unique_ptr<Kernel> prepare_lbfgs_update(const LbfgsUpdate& options, std::int64_t elements);
}  // namespace cpu
namespace cuda {
std::unique_ptr<Kernel> prepare_lbfgs_update(const LbfgsUpdate& options, std::int64_t elements);
}  // namespace cuda

}  // namespace engine
