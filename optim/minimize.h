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
  // What to change; empty: every parameter of the graph, also those outside the scope, such as a
  // pretrained part. Scope::parameters() lists those of a part.
  std::vector<Value> parameters = {};
  float clip_norm = 0;  // above 0: scales all gradients so that their norm is at most this
};

// Makes the graph a training step, once: gradients of `loss`, one fused update of every parameter
// of the graph (or of options.parameters), and the clock's advance. `scope` names what is recorded;
// it does not limit what is trained. Slots are named "<parameter>.adam_m", ".adam_v", ".momentum";
// L-BFGS has
// "<parameter>.lbfgs_" with origin (the best point so far, while a line search tries others),
// origin_gradient, direction, steps, changes and words. Adam's correction of the moments counts the
// steps of the clock, not those of a slot: moments that begin when the clock is not at 0 (a
// parameter that is trained later than the others) take smaller first steps than a fresh run's.
// Throws where L-BFGS is given several parameters or clip_norm, where the graph has a training step
// already, and for numbers that no optimizer takes.
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
