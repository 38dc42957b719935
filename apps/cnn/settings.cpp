#include "engine/apps/cnn/settings.h"

#include <algorithm>
#include <cmath>

#include "engine/apps/data/content_hash.h"
#include "engine/apps/data/scenes.h"
#include "engine/apps/run/exit_codes.h"
#include "engine/apps/run/settings_json.h"
#include "engine/core/scope.h"

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

bool has_convolutions(const std::string& network) {
  return network == "daynight" || network == "lenet5" || network == "vgg_small";
}

// Builds the network once, for what it refuses.
void check_network(const TrainSettings& s, std::size_t classes) {
  try {
    Graph graph;
    const Scope net(graph, Mode::training);
    const Value images = graph.input("images", {s.batch, s.height, s.width, s.channels});
    models::find_classifier(s.network).build(net, images, s.network_options(classes));
  } catch (const InvalidArgument& error) {
    throw UsageError(join("--network ", s.network, ": ", error.what()));
  }
}

void check_threshold(const TrainSettings& s, std::size_t classes, const Split& split) {
  if (s.threshold == TrainSettings().threshold) return;
  if (classes != 2) {
    throw UsageError(
        join("--threshold ", s.threshold, ": is for two classes; this data has ", classes));
  }
  if (s.threshold == "auto" && split.validation.empty()) {
    throw UsageError("--threshold auto: there is no validation part to choose it on");
  }
}

ImageDataset load_or_draw(const TrainSettings& s) {
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

constexpr auto fields = [](auto& s, const auto& visit) {
  visit("data", s.data);
  visit("data_hash", s.data_hash);
  visit("items", s.items);
  visit("scene_seed", s.scene_seed);
  visit("height", s.height);
  visit("width", s.width);
  visit("channels", s.channels);
  visit("fit", s.fit);
  visit("network", s.network);
  visit("hidden", s.hidden);
  visit("width_factor", s.width_factor);
  visit("dropout", s.dropout);
  visit("augment", s.augment);
  visit("epochs", s.epochs);
  visit("batch", s.batch);
  visit("learning_rate", s.learning_rate);
  visit("weight_decay", s.weight_decay);
  visit("seed", s.seed);
  visit("split", s.split);
  visit("folds", s.folds);
  visit("threshold", s.threshold);
  visit("baselines", s.baselines);
  device_fields(s.device, visit);
};

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

models::ClassifierOptions TrainSettings::network_options(std::size_t classes) const {
  return {.outputs = classes == 2 ? 1 : static_cast<std::int64_t>(classes),
          .hidden = hidden,
          .width = width_factor,
          .dropout = static_cast<float>(dropout)};
}

void TrainSettings::complete(const ImageDataset& dataset, const Split& split) {
  const auto train_items = static_cast<std::int64_t>(split.train.size());
  data_hash = hash_of(dataset);
  height = dataset.height();
  width = dataset.width();
  channels = dataset.channels();
  const bool is_small = height <= 32 && width <= 32;
  if (network.empty()) network = channels == 1 && is_small ? "lenet5" : "daynight";
  if (augment == "auto") {
    augment = !has_convolutions(network) ? "none" : channels == 1 && is_small ? "digits" : "photos";
  }
  if (dropout < 0) dropout = network == "daynight" || network == "vgg_small" ? 0.3 : 0;
  if (epochs == 0) epochs = default_epochs(network, train_items);
  if (batch == 0) batch = default_batch(train_items);
  batch = std::min(batch, train_items);
  if (learning_rate == 0) learning_rate = default_learning_rate(network);
  if (width_factor != 1 && !has_convolutions(network)) {
    throw UsageError(
        join("--width ", width_factor, ": the network ", network, " has no convolutions"));
  }
  check_threshold(*this, dataset.classes.size(), split);
  check_network(*this, dataset.classes.size());
}

nlohmann::json to_json(const TrainSettings& settings) {
  return settings_to_json("cnn", settings, fields);
}

TrainSettings parse_train_settings(const nlohmann::json& json, const std::string& file) {
  return settings_from_json<TrainSettings>(json, file, fields);
}

ImageDataset load_data(const TrainSettings& s) {
  ImageDataset dataset = load_or_draw(s);
  if (!s.data_hash.empty() && hash_of(dataset) != s.data_hash) {
    throw IoError(join(describe_data(s), ": has changed since this run began"));
  }
  return dataset;
}

std::string describe_data(const TrainSettings& s) {
  if (!s.data.empty()) return s.data;
  return join("built-in scenes (", s.items, ", seed ", s.scene_seed, ")");
}

std::string describe_split(const TrainSettings& s, const ImageDataset& dataset) {
  if (s.folds > 0) return join(s.folds, " folds, stratified");
  if (!s.split.empty()) return s.split;
  if (!dataset.test_begin) return "80/10/10, stratified";
  return "the data's own test part; 8 to 1 for training and validation of the rest";
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
