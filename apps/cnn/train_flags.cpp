#include "engine/apps/cnn/train_flags.h"

#include <filesystem>
#include <optional>

#include <CLI/CLI.hpp>

#include "engine/apps/run/exit_codes.h"
#include "engine/layers/models/registry.h"

namespace engine::apps::cnn {
namespace {

void check_threshold(const std::string& text) {
  if (text == "auto") return;
  const std::optional<double> value = [&]() -> std::optional<double> {
    try {
      std::size_t used = 0;
      const double number = std::stod(text, &used);
      return used == text.size() ? std::optional(number) : std::nullopt;
    } catch (const std::exception&) {
      return std::nullopt;
    }
  }();
  if (!value || !(*value > 0 && *value < 1)) {
    throw UsageError(join("--threshold ", text, ": write a number between 0 and 1, or auto"));
  }
}

}  // namespace

void add_train_flags(CLI::App& command, TrainFlags& flags) {
  TrainSettings& s = flags.settings;
  add_device_flags(command, s.device);
  add_training_flags(command, flags.training);
  command.add_option("--network", s.network, "logistic mlp deep_mlp daynight lenet5 vgg_small")
      ->group("Network");
  command.add_option("--hidden", s.hidden, "units of the hidden layers: 256,128,64")
      ->delimiter(',')
      ->check(CLI::Range(1, 1 << 20))
      ->group("Network");
  command.add_option("--width", s.width_factor, "multiplies the filters of convolutions")
      ->check(CLI::Range(1, 64))
      ->group("Network");
  command.add_option("--dropout", s.dropout, "share dropped before the last layer")
      ->check(CLI::Range(0.0, 0.95))
      ->group("Network");
  command.add_option("--augment", s.augment, "of training pictures; by default as suits them")
      ->check(CLI::IsMember({"auto", "none", "photos", "digits"}))
      ->group("Training");
  command.add_option("--weight-decay", s.weight_decay, "decoupled from the gradient")
      ->check(CLI::Range(0.0, 1.0))
      ->group("Training");
  command.add_option("--folds", s.folds, "cross-validation with this many parts")
      ->check(CLI::Range(2, 100))
      ->group("Training");
  command
      .add_option("--threshold", s.threshold,
                  "two classes: probability from which it is the second, or auto")
      ->capture_default_str()
      ->group("Training");
  command.add_flag("--no-baselines", flags.no_baselines, "do not compute the two baselines")
      ->group("Training");
  command.add_option("--size", flags.size, "pictures are brought to this size: 64 or 48x64")
      ->group("Data");
  CLI::Option* channels = command.add_option("--channels", s.channels, "1: grey, 3: colour")
                              ->check(CLI::IsMember({1, 3}))
                              ->group("Data");
  CLI::Option* fit = command.add_option("--fit", s.fit, "how pictures come to that size")
                         ->check(CLI::IsMember({"stretch", "crop", "letterbox"}))
                         ->group("Data");
  CLI::Option* items = command.add_option("--items", s.items, "how many built-in scenes to draw")
                           ->check(CLI::Range(20, 1000000))
                           ->group("Data");
  CLI::Option* seed =
      command.add_option("--scene-seed", s.scene_seed, "of the built-in scenes")->group("Data");
  add_run_flags(command, flags.run);
  CLI::Option* data = command.get_option("--data");
  for (CLI::Option* option : {items, seed}) option->excludes(data);
  for (CLI::Option* option : {channels, fit}) option->needs(data);
}

TrainSettings settings_from_flags(const TrainFlags& flags) {
  TrainSettings s = flags.settings;
  if (!s.network.empty()) {
    try {
      models::find_classifier(s.network);
    } catch (const InvalidArgument& error) {
      throw UsageError(join("--network ", s.network, ": ", error.what()));
    }
  }
  check_threshold(s.threshold);
  if (!flags.size.empty()) {
    const PictureSize size = parse_size(flags.size);
    s.height = size.height;
    s.width = size.width;
  }
  s.epochs = flags.training.epochs.value_or(0);
  s.batch = flags.training.batch.value_or(0);
  s.learning_rate = flags.training.learning_rate.value_or(0);
  s.seed = flags.training.seed;
  s.split = flags.training.split;
  s.baselines = !flags.no_baselines;
  if (s.folds > 0 && !s.split.empty()) {
    throw UsageError("--folds and --split exclude each other");
  }
  if (s.folds > 0 && s.threshold == "auto") {
    throw UsageError("--threshold auto: folds have no validation part to choose it on");
  }
  if (!flags.run.data.empty()) {
    std::error_code error;
    const std::filesystem::path data = std::filesystem::canonical(flags.run.data, error);
    if (error) throw IoError(join("--data ", flags.run.data, ": ", error.message()));
    s.data = data.string();
  }
  return s;
}

}  // namespace engine::apps::cnn
