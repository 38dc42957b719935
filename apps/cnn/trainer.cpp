#include "engine/apps/cnn/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "engine/apps/run/exit_codes.h"
#include "engine/apps/run/interrupt.h"
#include "engine/core/checkpoint.h"
#include "engine/core/safetensors.h"
#include "engine/engine.h"

namespace engine::apps::cnn {
namespace {

constexpr std::int64_t kMostStepsAtOnce = 1024;  // well within the loss ring
constexpr double kSecondsAtOnce = 0.2;
constexpr double kSecondsBetweenCheckpoints = 3;

using Clock = std::chrono::steady_clock;

double since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// Every k-th item, at most as many as the validation part has, but at least 500.
ImageDataset sample_of(const ImageDataset& train, std::int64_t validation_items) {
  const std::int64_t wanted =
      std::min(train.count(), std::max<std::int64_t>(500, validation_items));
  std::vector<std::int64_t> items;
  for (std::int64_t i = 0; i < wanted; ++i) items.push_back(i * train.count() / wanted);
  return subset(train, items);
}

}  // namespace

Normalization measure_normalization(const Tensor& images) {
  const std::int64_t channels = images.shape()[3];
  std::vector<std::int64_t> sum(static_cast<std::size_t>(channels));
  std::vector<std::int64_t> squares(static_cast<std::size_t>(channels));
  const auto pixels = images.span<std::uint8_t>();
  for (std::size_t i = 0; i < pixels.size(); i += static_cast<std::size_t>(channels)) {
    for (std::int64_t c = 0; c < channels; ++c) {
      const std::int64_t value = pixels[i + static_cast<std::size_t>(c)];
      sum[static_cast<std::size_t>(c)] += value;
      squares[static_cast<std::size_t>(c)] += value * value;
    }
  }
  Normalization result;
  const double count = static_cast<double>(images.elements() / channels);
  for (std::size_t c = 0; c < sum.size(); ++c) {
    const double mean = static_cast<double>(sum[c]) / count / 255;
    const double square = static_cast<double>(squares[c]) / count / (255.0 * 255.0);
    // Constant pictures have no spread; one grey level keeps the division meaningful.
    const double deviation = std::max(std::sqrt(std::max(square - mean * mean, 0.0)), 1.0 / 255);
    result.mean.push_back(static_cast<float>(mean));
    result.standard_deviation.push_back(static_cast<float>(deviation));
  }
  return result;
}

Graph training_graph(const TrainSettings& settings, const ModelInfo& info,
                     const TrainingGraphOptions& options) {
  Graph graph;
  Scope net(graph, Mode::training);
  const Value images =
      graph.input("images", {options.rows, info.height, info.width, info.channels}, DType::u8);
  const Value labels = graph.input("labels", {options.rows}, DType::i32);
  const Value taken = shuffled_rows(graph, "shuffle", options.rows, settings.batch);
  Value x = gather_rows(images, taken);
  if (settings.augment != "none") {
    x = random_geometry(x, "augment", augmentation(settings.augment, info.height, info.width));
  }
  const Value logits = info.logits(net, x);
  const Value classes = gather_rows(labels, taken);
  Value loss;
  if (info.options.outputs == 1) {
    const Value targets = reshape(cast(classes, DType::f32), {settings.batch, 1});
    loss = mean(binary_cross_entropy_with_logits(logits, targets));
  } else {
    loss = mean(softmax_cross_entropy(logits, classes));
  }
  const Value rate =
      cosine_schedule(graph, {.peak = static_cast<float>(settings.learning_rate),
                              .warmup_steps = std::min<std::int64_t>(options.total_steps / 20, 200),
                              .total_steps = options.total_steps});
  minimize(net, loss,
           Adam{.learning_rate = rate,
                .weight_decay = static_cast<float>(settings.weight_decay),
                .decoupled = true});
  return graph;
}

Trainer::Trainer(TrainerInput input, const RunFolder& folder, MetricsLog& log, Console& console)
    : input_(std::move(input)),
      folder_(folder),
      log_(log),
      console_(console),
      store_(input_.device, {.seed = input_.settings.seed}),
      steps_per_epoch_(input_.train.count() / input_.settings.batch) {
  const Graph graph =
      training_graph(input_.settings, input_.info,
                     {.rows = input_.train.count(), .total_steps = epochs() * steps_per_epoch_});
  const Precision precision = input_.settings.device.parsed_precision();
  step_ = std::make_unique<Executable>(compile(graph, store_, {.precision = precision}));
  step_->bind_input("images", input_.train.images.to(input_.device));
  step_->bind_input("labels", input_.train.labels.to(input_.device));
  predictor_ = std::make_unique<Predictor>(
      input_.info, store_,
      PredictorOptions{
          .batches = {64}, .precision = precision, .parameters = Parameters::trainable});
  train_sample_ = sample_of(input_.train, input_.validation.count());
  if (console_.options().verbosity > 1) console_.note(step_->plan_summary());
}

std::filesystem::path Trainer::model_file() const {
  if (input_.fold == 0) return folder_.model();
  return folder_.file(join("fold-", input_.fold, ".safetensors"));
}

void Trainer::restore() {
  const auto state = nlohmann::json::parse(load_newest_checkpoint(store_, folder_.checkpoint()));
  epoch_ = state.at("epoch").get<std::int64_t>();
  loss_sum_ = state.at("loss_sum").get<double>();
  best_epoch_ = state.at("best_epoch").get<int>();
  best_loss_ = state.at("best_loss").get<double>();
  seconds_ = state.at("seconds").get<double>();
  step_seconds_ = state.at("step_seconds").get<double>();
  checkpoint_age_ = 0;
  if (best_epoch_ == 0) return;
  // Written before the checkpoint, so it is this best or a later one that will come again.
  for (auto& entry : read_safetensors(model_file()).tensors) best_[entry.name] = entry.tensor;
}

void Trainer::run() {
  Progress progress(console_, epochs() * steps_per_epoch_ * input_.settings.batch, "images");
  progress.start_at(store_.step() * input_.settings.batch);
  while (epoch_ < epochs()) {
    run_epoch(progress);
    finish_epoch();
  }
  for (const auto& [name, tensor] : best_) store_.set(name, tensor);
  choose_threshold();
}

void Trainer::choose_threshold() {
  if (input_.settings.threshold != "auto" || input_.validation.count() == 0) return;
  input_.info.threshold =
      best_threshold(predictor_->logits(input_.validation.images), input_.validation.label_span());
  write_best();
}

void Trainer::run_epoch(Progress& progress) {
  const std::string fold = input_.fold > 0 ? join("fold ", input_.fold, " ") : std::string();
  const std::int64_t end = (epoch_ + 1) * steps_per_epoch_;
  while (store_.step() < end) {
    if (interrupted()) {
      save_checkpoint();
      throw Interrupted(join("stopped in epoch ", epoch_ + 1, " of ", epochs(),
                             "; continue with --resume ", folder_.path().string()));
    }
    const auto begin = Clock::now();
    const std::int64_t first = store_.step();
    step_->run(std::min(chunk_, end - first));
    take_losses(first, store_.step());
    const double elapsed = since(begin);
    seconds_ += elapsed;
    step_seconds_ += elapsed;
    checkpoint_age_ += elapsed;
    const double per_step = elapsed / static_cast<double>(store_.step() - first);
    chunk_ = std::clamp<std::int64_t>(std::llround(kSecondsAtOnce / std::max(per_step, 1e-6)), 1,
                                      kMostStepsAtOnce);
    progress.update(store_.step() * input_.settings.batch,
                    join(fold, "epoch ", epoch_ + 1, "/", epochs()));
  }
}

void Trainer::take_losses(std::int64_t first, std::int64_t last) {
  const std::vector<float> losses = recorded(store_, "loss", first, last);
  const std::vector<float> health = recorded(store_, "health", first, last);
  for (std::size_t i = 0; i < losses.size(); ++i) {
    if (!std::isfinite(losses[i]) || !std::isfinite(health[i])) {
      explain_non_finite(first + static_cast<std::int64_t>(i));
    }
    loss_sum_ += losses[i];
  }
}

// Goes back to the last checkpoint (or the beginning) and repeats the very same steps up to the
// one that failed, which then runs node by node.
void Trainer::explain_non_finite(std::int64_t step) {
  std::error_code error;
  Store replay(input_.device, {.seed = input_.settings.seed});
  const Graph graph =
      training_graph(input_.settings, input_.info,
                     {.rows = input_.train.count(), .total_steps = epochs() * steps_per_epoch_});
  Executable again =
      compile(graph, replay, {.precision = input_.settings.device.parsed_precision()});
  again.bind_input("images", input_.train.images.to(input_.device));
  again.bind_input("labels", input_.train.labels.to(input_.device));
  if (checkpoint_age_ < 1e9 && std::filesystem::exists(folder_.checkpoint(), error)) {
    load_newest_checkpoint(replay, folder_.checkpoint());
  }
  if (replay.step() < step) again.run(step - replay.step());
  const std::string culprit = again.find_non_finite();
  throw Error(join("training is no longer finite at step ", step + 1, " (epoch ",
                   step / steps_per_epoch_ + 1,
                   "): ", culprit.empty() ? "the update itself overflowed" : culprit,
                   "; try a smaller --learning-rate"));
}

void Trainer::finish_epoch() {
  const auto begin = Clock::now();
  const auto measure = [&](const ImageDataset& part) {
    return evaluate(predictor_->logits(part.images), part.label_span(),
                    static_cast<std::int64_t>(input_.info.labels.size()));
  };
  const Evaluation train = measure(train_sample_);
  nlohmann::json row = {{"fold", input_.fold},
                        {"epoch", epoch_ + 1},
                        {"step", store_.step()},
                        {"train_loss", loss_sum_ / static_cast<double>(steps_per_epoch_)},
                        {"train_accuracy", train.accuracy()}};
  std::string line = join(input_.fold > 0 ? join("fold ", input_.fold, "  ") : std::string(),
                          "epoch ", epoch_ + 1, "/", epochs(), "  loss ");
  char text[64];
  std::snprintf(text, sizeof(text), "%.4f  train %.2f %%", row["train_loss"].get<double>(),
                100 * train.accuracy());
  line += text;
  if (input_.validation.count() > 0) {
    const Evaluation validation = measure(input_.validation);
    row["validation_loss"] = validation.loss();
    row["validation_accuracy"] = validation.accuracy();
    std::snprintf(text, sizeof(text), "  validation %.2f %% (loss %.4f)",
                  100 * validation.accuracy(), validation.loss());
    line += text;
  }
  ++epoch_;
  loss_sum_ = 0;
  keep_best(row);
  const double elapsed = since(begin);
  seconds_ += elapsed;
  checkpoint_age_ += elapsed;
  row["seconds"] = std::round(seconds_ * 1000) / 1000;
  row["step_seconds"] = std::round(step_seconds_ * 1000) / 1000;
  log_.append(row);
  console_.note(line + "  " + format_duration(seconds_));
  if (checkpoint_age_ >= kSecondsBetweenCheckpoints || epoch_ == epochs()) save_checkpoint();
}

void Trainer::keep_best(const nlohmann::json& row) {
  const double loss = row.value("validation_loss", 0.0);
  // By loss: accuracies on a small validation part jump by chance.
  const bool is_better = input_.validation.count() == 0 || best_epoch_ == 0 || loss <= best_loss_;
  if (!is_better) return;
  best_epoch_ = static_cast<int>(epoch_);
  best_loss_ = loss;
  for (const Store::Entry& entry : store_.entries()) {
    if (entry.role != StateRole::parameter && entry.role != StateRole::statistic) continue;
    Tensor& kept = best_[entry.name];
    if (!kept.defined())
      kept = Tensor::empty(entry.tensor.shape(), entry.tensor.dtype(), input_.device);
    kept.copy_from(entry.tensor);
  }
}

nlohmann::json Trainer::model_json(std::int64_t epoch) const {
  ModelInfo info = input_.info;
  info.training = {{"epoch", epoch},
                   {"epochs", epochs()},
                   {"items", input_.train.count()},
                   {"batch", input_.settings.batch},
                   {"learning_rate", input_.settings.learning_rate},
                   {"augment", input_.settings.augment},
                   {"seed", input_.settings.seed},
                   {"precision", std::string(name_of(step_->precision()))},
                   {"data", input_.settings.data.empty() ? "built-in scenes" : "folder"}};
  return to_json(info);
}

void Trainer::write_best() const {
  SafetensorsFile file;
  for (const auto& [name, tensor] : best_) file.tensors.push_back({name, tensor.to(Device::cpu())});
  file.metadata["engine"] = model_json(best_epoch_).dump();
  write_safetensors(model_file(), file);
}

void Trainer::save_checkpoint() {
  if (!best_.empty()) write_best();
  if (input_.fold == 0) {
    save_model(store_, folder_.file("last.safetensors"), model_json(epoch_).dump());
  }
  const nlohmann::json state = {{"fold", input_.fold},          {"epoch", epoch_},
                                {"loss_sum", loss_sum_},        {"best_epoch", best_epoch_},
                                {"best_loss", best_loss_},      {"seconds", seconds_},
                                {"step_seconds", step_seconds_}};
  engine::save_checkpoint(store_, folder_.checkpoint(), state.dump());
  checkpoint_age_ = 0;
}

}  // namespace engine::apps::cnn
