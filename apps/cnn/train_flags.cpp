#include "engine/apps/cnn/train_flags.h"

#include <filesystem>
#include <optional>

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

void add_train_flags(CommandFlags& command, TrainFlags& flags) {
  TrainSettings& s = flags.settings;
  add_device_flags(command, s.device);
  add_training_flags(command, flags.training);
  command.add("--network", s.network, "logistic mlp deep_mlp daynight lenet5 vgg_small")
      .group("Network");
  command.add("--hidden", s.hidden, "units of the hidden layers: 256,128,64")
      .separated_by(',')
      .range(1, 1 << 20)
      .group("Network");
  command.add("--width", s.width_factor, "multiplies the filters of convolutions")
      .range(1, 64)
      .group("Network");
  command.add("--dropout", s.dropout, "share dropped before the last layer")
      .range(0.0, 0.95)
      .group("Network");
  command.add("--augment", s.augment, "of training pictures; by default as suits them")
      .one_of({"auto", "none", "photos", "digits"})
      .group("Training");
  command.add("--weight-decay", s.weight_decay, "decoupled from the gradient")
      .range(0.0, 1.0)
      .group("Training");
  command.add("--folds", s.folds, "cross-validation with this many parts")
      .range(2, 100)
      .group("Training");
  command
      .add("--threshold", s.threshold,
           "two classes: probability from which it is the second, or auto")
      .show_default()
      .group("Training");
  command.add_switch("--no-baselines", flags.no_baselines, "do not compute the two baselines")
      .group("Training");
  command.add("--size", flags.size, "pictures are brought to this size: 64 or 48x64").group("Data");
  const Flag channels =
      command.add("--channels", s.channels, "1: grey, 3: colour").one_of({1, 3}).group("Data");
  const Flag fit = command.add("--fit", s.fit, "how pictures come to that size")
                       .one_of({"stretch", "crop", "letterbox"})
                       .group("Data");
  const Flag items = command.add("--items", s.items, "how many built-in scenes to draw")
                         .range(20, 1000000)
                         .group("Data");
  const Flag seed =
      command.add("--scene-seed", s.scene_seed, "of the built-in scenes").group("Data");
  add_run_flags(command, flags.run);
  const Flag data = command.find("--data");
  for (Flag flag : {items, seed}) flag.excludes(data);
  for (Flag flag : {channels, fit}) flag.needs(data);
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
