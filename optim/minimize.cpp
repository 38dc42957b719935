#include "engine/optim/minimize.h"

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

Value value_of(Graph& graph, const Rate& rate) {
  return rate.value ? rate.value : graph.constant(rate.number);
}

}  // namespace

void minimize(const Scope& scope, const Value& loss, const Optimizer& optimizer,
              const MinimizeOptions& options) {
  Graph& graph = scope.graph();
  ENGINE_CHECK(options.clip_norm >= 0, "minimize: clip_norm ", options.clip_norm, " is negative");
  const std::vector<Value> parameters =
      options.parameters.empty() ? graph.parameters() : options.parameters;
  ENGINE_CHECK(!parameters.empty(), "minimize: the graph has no parameters");
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
        add_update(graph,
                   {.learning_rate = value_of(graph, chosen.learning_rate),
                    .gradient_scale = scale,
                    .clock = graph.clock(),
                    .parameters = parameters,
                    .gradients = slopes},
                   chosen);
      },
      optimizer);
  record(scope, "loss", loss);
  record(scope, "health", squared);
  graph.advance_clock();
}

}  // namespace engine
