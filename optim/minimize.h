#pragma once

#include <variant>
#include <vector>

#include "engine/core/scope.h"
#include "engine/kernels/lbfgs_update.h"
#include "engine/optim/rate.h"

namespace engine {

struct Sgd {
  Rate learning_rate = 0.01f;
  double momentum = 0;
  double weight_decay = 0;
  bool nesterov = false;
};

struct Adam {
  Rate learning_rate = 1e-3f;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;
  bool decoupled = false;  // AdamW
};

// For one parameter and a loss that does not change from step to step: a picture, not a network
// trained on batches. A step of the graph is one evaluation; with a line search several of them
// make one step of the method. See kernels/lbfgs_update.h, also for what happens when it diverges.
struct Lbfgs {
  Rate learning_rate = 1.0f;
  int history = 10;
  LineSearch line_search = LineSearch::none;
  float first_step = 0.01f;  // root mean square change of the parameter in the first step
};

using Optimizer = std::variant<Sgd, Adam, Lbfgs>;

struct MinimizeOptions {
  std::vector<Value> parameters;  // what to change; empty: every parameter of the graph
  float clip_norm = 0;  // above 0: scales all gradients so that their norm is at most this
};

// Makes the graph a training step: gradients of `loss`, one fused update of the parameters, and the
// clock's advance. Slots are named "<parameter>.adam_m", ".adam_v", ".momentum"; L-BFGS has
// "<parameter>.lbfgs_" with origin (the best point so far, while a line search tries others),
// origin_gradient, direction, steps, changes and words. Throws where L-BFGS is given several
// parameters or clip_norm.
// Also records the loss ("loss") and a health word ("health": the squared norm of all gradients) in
// rings that recorded() reads.
void minimize(const Scope& scope, const Value& loss, const Optimizer& optimizer,
              const MinimizeOptions& options = {});

// An exponential average of the iterates of one parameter, for reading a result out of a noisy
// descent: "<parameter>.average" becomes average + w (p' - average) as the step ends, with
// w = max(1 - decay, 1 / (step + 1)), so that the first steps count fully. Call it after
// minimize().
void average_iterates(const Scope& scope, const Value& parameter, double decay = 0.95);

}  // namespace engine
