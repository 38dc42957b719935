#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "engine/apps/data/dataset.h"
#include "engine/apps/data/split.h"
#include "engine/apps/run/options.h"
#include "engine/kernels/image.h"
#include "engine/layers/models/registry.h"

namespace engine::apps::cnn {

// Everything that decides what `cnn train` does: config.json of a run folder. Where a field says
// so, complete() replaces the "not given" value by one that suits the data.
struct TrainSettings {
  std::string data;                  // absolute path; empty: built-in scenes
  std::string data_hash;             // of what was loaded from there (completed)
  std::int64_t items = 12'000;       // of built-in scenes
  std::uint64_t scene_seed = 1;      // of built-in scenes
  int height = 0;                    // 0: as the format has it (completed)
  int width = 0;                     // completed
  int channels = 0;                  // completed
  std::string fit = "stretch";       // how photographs come to that size
  std::string network;               // completed
  std::vector<std::int64_t> hidden;  // empty: the network's own
  std::int64_t width_factor = 1;     // multiplies filters
  double dropout = -1;               // -1: as suits the network (completed)
  std::string augment = "auto";      // none photos digits (completed)
  int epochs = 0;                    // completed
  std::int64_t batch = 0;            // completed; at most the training items
  double learning_rate = 0;          // completed
  double weight_decay = 0;
  std::uint64_t seed = 1;
  std::string split;              // empty: 80/10/10 or the data's own test part
  int folds = 0;                  // 0: no cross-validation
  std::string threshold = "0.5";  // a number or "auto"
  bool baselines = true;
  DeviceOptions device;

  // Fills in what depends on the data, of which `split` is the first one. Throws UsageError where
  // flags contradict it or the network cannot be built as they say.
  void complete(const ImageDataset& dataset, const Split& split);

  models::ClassifierOptions network_options(std::size_t classes) const;
};

nlohmann::json to_json(const TrainSettings& settings);
// Throws IoError naming `file`.
TrainSettings parse_train_settings(const nlohmann::json& json, const std::string& file);

// The data set that the settings name. Throws IoError where it is no longer what it was when
// data_hash was written.
ImageDataset load_data(const TrainSettings& settings);
// "built-in scenes (4000, seed 1)" or the path.
std::string describe_data(const TrainSettings& settings);
// "80/10/10", "5 folds, stratified", or what is done about the data's own test part.
std::string describe_split(const TrainSettings& settings, const ImageDataset& dataset);

// One split, or one for each fold.
std::vector<Split> make_splits(const TrainSettings& settings, const ImageDataset& dataset);

// What --augment names mean for pictures of this size.
RandomImageOptions augmentation(const std::string& name, int height, int width);

}  // namespace engine::apps::cnn
