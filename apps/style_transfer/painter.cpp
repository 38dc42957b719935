#include "engine/apps/style_transfer/painter.h"

#include <cmath>

#include "engine/apps/style_transfer/pictures.h"
#include "engine/core/checkpoint.h"
#include "engine/core/safetensors.h"
#include "engine/kernels/compile.h"
#include "engine/layers/history.h"
#include "engine/optim/minimize.h"
#include "engine/optim/schedule.h"

namespace engine::apps::style_transfer {
namespace {

constexpr const char* kImage = "image";
constexpr double kAdamRate = 6;        // grey levels a step at first
constexpr float kFinalFactor = 0.05f;  // of Adam's rate at the end
constexpr float kFirstStep = 1;        // grey levels, root mean square: L-BFGS, gradient descent
constexpr double kAverageDecay = 0.9;

Optimizer optimizer_of(Graph& graph, const StyleSettings& s, std::int64_t total_steps) {
  if (s.optimizer == "lbfgs" || s.optimizer == "lbfgs-fixed") {
    return Lbfgs{
        .learning_rate = s.learning_rate > 0 ? s.learning_rate : 1.0,
        .line_search = s.optimizer == "lbfgs" ? LineSearch::strong_wolfe : LineSearch::none,
        .first_step = kFirstStep};
  }
  if (s.optimizer == "gd") return Sgd{.learning_rate = graph.input("learning_rate", {})};
  const double peak = s.learning_rate > 0 ? s.learning_rate : kAdamRate;
  return Adam{.learning_rate = cosine_schedule(graph, {.peak = static_cast<float>(peak),
                                                       .final_factor = kFinalFactor,
                                                       .total_steps = total_steps})};
}

void bind_targets(Executable& step, const Targets& targets) {
  for (std::size_t i = 0; i < targets.content.size(); ++i) {
    step.set_input(join("content.", i), targets.content[i]);
  }
  for (std::size_t i = 0; i < targets.style.size(); ++i) {
    step.set_input(join("style.", i), targets.style[i]);
  }
  for (std::size_t i = 0; i < targets.masks.size(); ++i) {
    step.set_input(join("mask.", i), targets.masks[i]);
  }
}

bool is_encoder(const Store::Entry& entry) {
  return entry.name.starts_with("features.");
}

}  // namespace

Graph step_graph(const StyleSettings& settings, const Objective& objective, const Shape& shape,
                 std::int64_t total_steps) {
  Graph graph;
  const Scope net(graph);
  const Value image = net.parameter(kImage, shape, init::zeros());
  const Value loss = style_loss(net, image, objective);
  minimize(net, loss, optimizer_of(graph, settings, total_steps), {.parameters = {image}});
  if (settings.optimizer == "adam") average_iterates(net, image, kAverageDecay);
  return graph;
}

Painter::Painter(const StyleSettings& settings, const Objective& objective, const Targets& targets,
                 const ScaleStart& start)
    : settings_(settings),
      first_step_(start.step),
      gradient_descent_rate_(start.gradient_descent_rate),
      store_(settings.device.open(), {.seed = settings.seed}) {
  const Graph graph = step_graph(settings, objective, start.image.shape(), start.total_steps);
  objective.encoder->load_into(store_, graph);
  store_.declare(graph);
  store_.set(kImage, start.image);
  if (start.first_moment.defined()) {
    store_.set("image.adam_m", start.first_moment);
    store_.set("image.adam_v", start.second_moment);
  }
  if (start.step > 0) {
    const Tensor clock = store_.get("engine.clock").to(Device::cpu()).clone();
    clock.span<std::int32_t>()[2] = static_cast<std::int32_t>(start.step);
    store_.set("engine.clock", clock);
  }
  step_ = std::make_unique<Executable>(
      compile(graph, store_,
              {.precision = settings.device.parsed_precision(), .parameters = Parameters::frozen}));
  bind_targets(*step_, targets);
  if (settings.optimizer != "gd") return;
  if (gradient_descent_rate_ == 0 && settings.learning_rate > 0) {
    gradient_descent_rate_ = settings.learning_rate;
  }
  if (gradient_descent_rate_ == 0) {
    // One step of length 0 tells how long the gradient is; then it is as if it had not been.
    step_->set_input("learning_rate", Tensor::scalar(0));
    step_->run();
    const double squared = recorded(store_, "health", start.step, start.step + 1)[0];
    const double root = std::sqrt(squared / static_cast<double>(start.image.elements()));
    gradient_descent_rate_ = root > 0 ? kFirstStep / root : 0;
    const Tensor clock = store_.get("engine.clock").to(Device::cpu()).clone();
    clock.span<std::int32_t>()[2] = static_cast<std::int32_t>(start.step);
    store_.get("engine.clock").copy_from(clock);
  }
  step_->set_input("learning_rate", Tensor::scalar(static_cast<float>(gradient_descent_rate_)));
}

Tensor Painter::picture() const {
  const char* name = kImage;
  if (step() == first_step_) return store_.get(name).to(Device::cpu()).clone();
  if (settings_.optimizer == "adam" && store_.find("image.average") != nullptr) {
    name = "image.average";
  }
  if (settings_.optimizer.starts_with("lbfgs")) name = "image.lbfgs_origin";
  return store_.get(name).to(Device::cpu()).clone();
}

ScaleStart Painter::next_scale(const Shape& image) const {
  ScaleStart next{.image = resized_like(picture(), image), .step = step()};
  // A loss that is a mean has gradients that shrink with the number of pixels.
  const double ratio =
      static_cast<double>(image.elements()) / static_cast<double>(store_.get(kImage).elements());
  next.gradient_descent_rate = settings_.learning_rate > 0 ? 0 : gradient_descent_rate_ * ratio;
  if (settings_.optimizer != "adam") return next;
  const auto moment = [&](const char* name, double factor) {
    const Tensor resized = resized_like(store_.get(name).to(Device::cpu()), image).clone();
    for (float& value : resized.span<float>()) value *= static_cast<float>(factor);
    return resized;
  };
  next.first_moment = moment("image.adam_m", 1 / ratio);
  next.second_moment = moment("image.adam_v", 1 / (ratio * ratio));
  return next;
}

std::vector<Painter::Losses> Painter::losses(std::int64_t first, std::int64_t last) const {
  const auto of = [&](const char* name) { return recorded(store_, name, first, last); };
  const auto total = of("loss"), content = of("content_loss"), style = of("style_loss"),
             variation = of("variation_loss");
  std::vector<Losses> losses;
  for (std::size_t i = 0; i < total.size(); ++i) {
    losses.push_back(
        {.total = total[i], .content = content[i], .style = style[i], .variation = variation[i]});
  }
  return losses;
}

int Painter::fallbacks() const {
  if (!settings_.optimizer.starts_with("lbfgs")) return 0;
  const auto words = store_.get("image.lbfgs_words").to_floats();
  return static_cast<int>(words[static_cast<std::size_t>(LbfgsWord::fallbacks)]);
}

bool Painter::is_stalled() const {
  if (!settings_.optimizer.starts_with("lbfgs")) return false;
  const auto words = store_.get("image.lbfgs_words").to_floats();
  return words[static_cast<std::size_t>(LbfgsWord::stalled)] != 0;
}

void Painter::save(const std::filesystem::path& path, const std::string& json) const {
  SafetensorsFile file;
  for (const Store::Entry& entry : store_.entries()) {
    if (!is_encoder(entry)) file.tensors.push_back({entry.name, entry.tensor.to(Device::cpu())});
  }
  nlohmann::json state = nlohmann::json::parse(json);
  state["first_step"] = first_step_;
  state["gradient_descent_rate"] = gradient_descent_rate_;
  file.metadata["style_transfer"] = state.dump();
  write_safetensors_keeping_previous(path, file);
}

void Painter::restore(const std::filesystem::path& path) {
  const SafetensorsFile file = read_safetensors(path);
  for (const Store::Entry& entry : store_.entries()) {
    if (is_encoder(entry)) continue;
    const Tensor* saved = file.find(entry.name);
    if (saved == nullptr || saved->type() != entry.tensor.type()) {
      throw IoError(join(path.string(), ": has no ", entry.name, ' ', entry.tensor.type(),
                         "; it does not belong to this run"));
    }
    entry.tensor.copy_from(*saved);
  }
}

std::string saved_json(const std::filesystem::path& path) {
  const auto metadata = read_safetensors_metadata(path);
  const auto found = metadata.find("style_transfer");
  if (found == metadata.end()) throw IoError(path.string() + ": is no checkpoint of this app");
  return found->second;
}

}  // namespace engine::apps::style_transfer
