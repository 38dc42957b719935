#include "engine/apps/cnn/settings.h"

#include <algorithm>
#include <cmath>

#include "engine/apps/data/scenes.h"
#include "engine/apps/run/exit_codes.h"
#include "engine/layers/models/registry.h"

namespace engine::apps::cnn {
namespace {

// Pictures that training should see in all, as a number of epochs: few epochs on many pictures,
// many on few.
int default_epochs(const std::string& network, std::int64_t train_items) {
  double pictures = 115'000;
  double fewest = 10;
  double most = 60;
  if (network == "lenet5") fewest = 12;
  return static_cast<int>(
      std::clamp(std::round(pictures / static_cast<double>(train_items)), fewest, most));
}

double default_learning_rate(const std::string& network) {
  if (network == "lenet5" || network == "daynight") return 2e-3;
  return 1e-3;
}

std::int64_t default_batch(std::int64_t train_items) {
  if (train_items >= 20'000) return 128;
  return train_items >= 1'000 ? 64 : 32;
}

}  // namespace

RandomImageOptions augmentation(const std::string& name, int height, int width) {
  if (name == "photos") {
    return {.shift = std::max(1, std::min(height, width) / 16), .flip = true};
  }
  if (name == "digits") {
    return {.shift = std::max(1, std::min(height, width) / 14),
            .rotation_degrees = 10,
            .scale = 0.1f,
            .shear = 0.1f};
  }
  return {};
}

void TrainSettings::complete(const ImageDataset& dataset, std::int64_t train_items) {
  height = dataset.height();
  width = dataset.width();
  channels = dataset.channels();
  const bool is_small = height <= 32 && width <= 32;
  if (network.empty()) network = channels == 1 && is_small ? "lenet5" : "daynight";
  const bool has_convolutions =
      network == "daynight" || network == "lenet5" || network == "vgg_small";
  if (augment == "auto") {
    augment = !has_convolutions ? "none" : channels == 1 && is_small ? "digits" : "photos";
  }
  if (dropout < 0) dropout = network == "daynight" || network == "vgg_small" ? 0.3 : 0;
  if (epochs == 0) epochs = default_epochs(network, train_items);
  if (batch == 0) batch = default_batch(train_items);
  batch = std::min(batch, train_items);
  if (learning_rate == 0) learning_rate = default_learning_rate(network);
  if (threshold == "auto" && dataset.classes.size() != 2) {
    throw UsageError(
        join("--threshold auto: is for two classes; this data has ", dataset.classes.size()));
  }
}

nlohmann::json to_json(const TrainSettings& s) {
  return {{"app", "cnn"},
          {"data", s.data},
          {"items", s.items},
          {"scene_seed", s.scene_seed},
          {"height", s.height},
          {"width", s.width},
          {"channels", s.channels},
          {"fit", s.fit},
          {"network", s.network},
          {"hidden", s.hidden},
          {"width_factor", s.width_factor},
          {"dropout", s.dropout},
          {"augment", s.augment},
          {"epochs", s.epochs},
          {"batch", s.batch},
          {"learning_rate", s.learning_rate},
          {"weight_decay", s.weight_decay},
          {"seed", s.seed},
          {"split", s.split},
          {"folds", s.folds},
          {"threshold", s.threshold},
          {"baselines", s.baselines},
          {"device", s.device.device},
          {"precision", s.device.precision},
          {"threads", s.device.threads}};
}

TrainSettings parse_train_settings(const nlohmann::json& json, const std::string& file) {
  TrainSettings s;
  try {
    json.at("data").get_to(s.data);
    json.at("items").get_to(s.items);
    json.at("scene_seed").get_to(s.scene_seed);
    json.at("height").get_to(s.height);
    json.at("width").get_to(s.width);
    json.at("channels").get_to(s.channels);
    json.at("fit").get_to(s.fit);
    json.at("network").get_to(s.network);
    json.at("hidden").get_to(s.hidden);
    json.at("width_factor").get_to(s.width_factor);
    json.at("dropout").get_to(s.dropout);
    json.at("augment").get_to(s.augment);
    json.at("epochs").get_to(s.epochs);
    json.at("batch").get_to(s.batch);
    json.at("learning_rate").get_to(s.learning_rate);
    json.at("weight_decay").get_to(s.weight_decay);
    json.at("seed").get_to(s.seed);
    json.at("split").get_to(s.split);
    json.at("folds").get_to(s.folds);
    json.at("threshold").get_to(s.threshold);
    json.at("baselines").get_to(s.baselines);
    json.at("device").get_to(s.device.device);
    json.at("precision").get_to(s.device.precision);
    json.at("threads").get_to(s.device.threads);
  } catch (const nlohmann::json::exception&) {
    throw IoError(file + ": is damaged: a setting is missing or of the wrong kind");
  }
  return s;
}

ImageDataset load_data(const TrainSettings& s) {
  if (s.data.empty()) {
    const int height = s.height == 0 ? 64 : s.height;
    const int width = s.width == 0 ? 64 : s.width;
    return make_scenes(
        s.items,
        {.width = width, .height = height, .seed = s.scene_seed, .threads = s.device.threads});
  }
  return load_dataset(s.data, {.height = s.height,
                               .width = s.width,
                               .channels = s.channels,
                               .fit = parse_fit(s.fit),
                               .threads = s.device.threads});
}

std::string describe_data(const TrainSettings& s) {
  if (!s.data.empty()) return s.data;
  return join("built-in scenes (", s.items, ", seed ", s.scene_seed, ")");
}

std::vector<Split> make_splits(const TrainSettings& s, const ImageDataset& dataset) {
  try {
    // Folds train to the end without looking at a validation part: every picture is worth more in
    // training.
    if (s.folds > 0) return stratified_folds(dataset.label_span(), s.folds, 0, s.seed);
    const SplitFractions fractions = s.split.empty() ? SplitFractions{} : parse_split(s.split);
    return {default_split(dataset, fractions, s.seed, !s.split.empty())};
  } catch (const InvalidArgument& error) {
    throw UsageError(error.what());
  }
}

}  // namespace engine::apps::cnn
