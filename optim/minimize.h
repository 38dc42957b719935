#pragma once

#include <variant>
#include <vector>

#include "engine/core/scope.h"
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

using Optimizer = std::variant<Sgd, Adam>;

struct MinimizeOptions {
  std::vector<Value> parameters;  // what to change; empty: every parameter of the graph
  float clip_norm = 0;  // above 0: scales all gradients so that their norm is at most this
};

// Makes the graph a training step: gradients of `loss`, one fused update of the parameters, and the
// clock's advance. Slots are named "<parameter>.adam_m", ".adam_v", ".momentum".
// Also records the loss ("loss") and a health word ("health": the squared norm of all gradients) in
// rings that recorded() reads.
void minimize(const Scope& scope, const Value& loss, const Optimizer& optimizer,
              const MinimizeOptions& options = {});

}  // namespace engine
