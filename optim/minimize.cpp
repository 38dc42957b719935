#include "engine/optim/minimize.h"

#include <cmath>

#include "engine/core/autodiff.h"
#include "engine/kernels/binary.h"
#include "engine/kernels/optimizer_update.h"
#include "engine/kernels/unary.h"
#include "engine/layers/history.h"

namespace engine {
namespace {

// The slot of each parameter that ends in `suffix`.
std::vector<Value> slots_of(Graph& graph, const std::vector<Value>& parameters,
                            std::string_view suffix) {
  std::vector<Value> slots;
  for (const Value& parameter : parameters) {
    slots.push_back(graph.read_state({.name = join(graph.state_of(parameter).name, '.', suffix),
                                      .shape = parameter.shape(),
                                      .role = StateRole::slot}));
  }
  return slots;
}

// Every entry becomes its new value as the step ends.
void update_all(Graph& graph, const std::vector<Value>& entries, const std::vector<Value>& next) {
  for (std::size_t i = 0; i < entries.size(); ++i) {
    graph.update_state(graph.state_of(entries[i]).name, next[i]);
  }
}

void add_update(Graph& graph, const UpdateInputs& inputs, const Sgd& options) {
  const SgdUpdate update{.momentum = options.momentum,
                         .weight_decay = options.weight_decay,
                         .nesterov = options.nesterov};
  std::vector<Value> velocities;
  if (options.momentum != 0) velocities = slots_of(graph, inputs.parameters, "momentum");
  const SgdUpdateResult result = sgd_update(inputs, velocities, update);
  update_all(graph, inputs.parameters, result.parameters);
  update_all(graph, velocities, result.velocities);
}

void add_update(Graph& graph, const UpdateInputs& inputs, const Adam& options) {
  const AdamUpdate update{.beta1 = options.beta1,
                          .beta2 = options.beta2,
                          .epsilon = options.epsilon,
                          .weight_decay = options.weight_decay,
                          .decoupled = options.decoupled};
  const std::vector<Value> first = slots_of(graph, inputs.parameters, "adam_m");
  const std::vector<Value> second = slots_of(graph, inputs.parameters, "adam_v");
  const AdamUpdateResult result = adam_update(inputs, first, second, update);
  update_all(graph, inputs.parameters, result.parameters);
  update_all(graph, first, result.first_moments);
  update_all(graph, second, result.second_moments);
}

// Throws where no step could use the numbers.
template <class Chosen>
void check_numbers(const Chosen& options) {
  const float rate = options.learning_rate.number;
  ENGINE_CHECK(rate >= 0 && std::isfinite(rate), "minimize: learning_rate ", rate,
               " must be finite and not negative");
  if constexpr (!std::is_same_v<Chosen, Lbfgs>) {
    ENGINE_CHECK(options.weight_decay >= 0 && std::isfinite(options.weight_decay),
                 "minimize: weight_decay ", options.weight_decay,
                 " must be finite and not negative");
  }
  if constexpr (std::is_same_v<Chosen, Sgd>) {
    ENGINE_CHECK(options.momentum >= 0 && options.momentum < 1, "minimize: momentum ",
                 options.momentum, " must be at least 0 and below 1");
  }
}

Value value_of(Graph& graph, const Rate& rate) {
  return rate.value ? rate.value : graph.constant(rate.number);
}

void add_lbfgs(Graph& graph, const Value& loss, const UpdateInputs& inputs, const Lbfgs& options) {
  const Value& x = inputs.parameters[0];
  const auto slot = [&](std::string_view suffix, const Shape& shape) {
    return graph.read_state({.name = join(graph.state_of(x).name, ".lbfgs_", suffix),
                             .shape = shape,
                             .role = StateRole::slot});
  };
  const Shape ring{options.history, x.shape().elements()};
  const std::vector<Value> slots = {
      slot("origin", x.shape()),    slot("origin_gradient", x.shape()),
      slot("direction", x.shape()), slot("steps", ring),
      slot("changes", ring),        slot("words", {kLbfgsWords + options.history})};
  const LbfgsResult result = lbfgs_update({.learning_rate = inputs.learning_rate,
                                           .loss = loss,
                                           .x = x,
                                           .gradient = inputs.gradients[0],
                                           .origin = slots[0],
                                           .origin_gradient = slots[1],
                                           .direction = slots[2],
                                           .steps = slots[3],
                                           .changes = slots[4],
                                           .words = slots[5]},
                                          {.history = options.history,
                                           .line_search = options.line_search,
                                           .first_step = options.first_step});
  update_all(graph, inputs.parameters, {result.x});
  update_all(graph, slots,
             {result.origin, result.origin_gradient, result.direction, result.steps, result.changes,
              result.words});
}

}  // namespace

void minimize(const Scope& scope, const Value& loss, const Optimizer& optimizer,
              const MinimizeOptions& options) {
  Graph& graph = scope.graph();
  ENGINE_CHECK(options.clip_norm >= 0, "minimize: clip_norm ", options.clip_norm, " is negative");
  std::visit([](const auto& chosen) { check_numbers(chosen); }, optimizer);
  const Value clock = graph.clock();
  ENGINE_CHECK(graph.next_state(graph.state_of(clock).name) == clock,
               "minimize: this graph has a training step already, from minimize() or "
               "advance_clock()");
  const std::vector<Value> parameters =
      options.parameters.empty() ? graph.parameters() : options.parameters;
  ENGINE_CHECK(!parameters.empty(), "minimize: the graph has no parameters");
  const bool is_lbfgs = std::holds_alternative<Lbfgs>(optimizer);
  ENGINE_CHECK(!is_lbfgs || (parameters.size() == 1 && options.clip_norm == 0),
               "minimize: L-BFGS takes one parameter and no clip_norm, got ", parameters.size(),
               " parameters and clip_norm ", options.clip_norm);
  const std::vector<Value> slopes = gradients(loss, parameters);
  const Value squared = squared_norm(slopes);

  // maximum() lets a NaN through, so that it shows in the parameters and is found.
  Value scale = graph.constant(1.0f);
  if (options.clip_norm > 0) {
    const Value limit = graph.constant(options.clip_norm);
    scale = limit / maximum(sqrt(squared), limit);
  }
  std::visit(
      [&](const auto& chosen) {
        const UpdateInputs inputs{.learning_rate = value_of(graph, chosen.learning_rate),
                                  .gradient_scale = scale,
                                  .clock = clock,
                                  .parameters = parameters,
                                  .gradients = slopes};
        if constexpr (std::is_same_v<std::decay_t<decltype(chosen)>, Lbfgs>) {
          add_lbfgs(graph, loss, inputs, chosen);
        } else {
          add_update(graph, inputs, chosen);
        }
      },
      optimizer);
  record(scope, "loss", loss);
  record(scope, "health", squared);
  graph.advance_clock();
}

void average_iterates(const Scope& scope, const Value& parameter, double decay) {
  ENGINE_CHECK(decay >= 0 && decay < 1, "average_iterates: decay ", decay,
               " must be at least 0 and below 1");
  Graph& graph = scope.graph();
  const std::string name = graph.state_of(parameter).name;
  const Value next = graph.next_state(name);
  const auto state = [&](std::string_view suffix, const Shape& shape) {
    return graph.read_state(
        {.name = join(name, '.', suffix), .shape = shape, .role = StateRole::slot});
  };
  const Value average = state("average", parameter.shape());
  const Value steps = state("average_steps", {}) + 1.0f;
  const Value weight =
      maximum(graph.constant(static_cast<float>(1 - decay)), graph.constant(1.0f) / steps);
  graph.update_state(join(name, ".average"), average + weight * (next - average));
  graph.update_state(join(name, ".average_steps"), steps);
}

}  // namespace engine
