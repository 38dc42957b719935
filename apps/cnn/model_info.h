#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "engine/apps/data/image.h"
#include "engine/core/graph.h"
#include "engine/core/store.h"
#include "engine/kernels/image.h"
#include "engine/layers/models/registry.h"

namespace engine::apps::cnn {

// Everything that turns a picture into a label, besides the tensors: what the metadata of a model
// file holds. The network is the function `network` of layers/models called with `options`.
struct ModelInfo {
  std::string network;
  models::ClassifierOptions options;
  int height = 0;
  int width = 0;
  int channels = 0;
  Fit fit = Fit::stretch;
  Normalization normalization;
  std::vector<std::string> labels;  // class -> name
  double threshold = 0.5;           // two classes: from this probability on it is labels[1]
  nlohmann::json training;          // a summary for people

  // Adds the network to a graph: u8 [n, height, width, channels] -> logits f32 [n, outputs].
  Value logits(const Scope& net, const Value& images) const;
};

nlohmann::json to_json(const ModelInfo& info);
// Throws IoError naming `file` when something is missing, of the wrong kind or impossible.
ModelInfo parse_model_info(const nlohmann::json& json, const std::string& file);

// The model file that `path` means: itself, or model.safetensors in a run folder. Throws IoError
// when there is none.
std::filesystem::path find_model_file(const std::filesystem::path& path);

// A model file: its description, and its tensors in a store on `device`. Throws IoError naming the
// file when it is damaged, belongs to another app, or its tensors are not those of its network.
struct LoadedModel {
  std::filesystem::path file;
  ModelInfo info;
  Store store;
};
LoadedModel load_classifier(const std::filesystem::path& path, const Device& device);

}  // namespace engine::apps::cnn
