#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "engine/core/safetensors.h"
#include "engine/core/store.h"
#include "engine/kernels/color_transform.h"
#include "engine/layers/models/vgg.h"

namespace engine::apps::style_transfer {

// A VGG network whose weights never change, and what it is best used with.
struct Encoder {
  models::VggShape shape;
  ColorTransform normalization;                 // from RGB 0..255 to what the weights want
  std::vector<SafetensorsFile::Entry> weights;  // "features.N.weight" in our layout, and ".bias"
  std::filesystem::path file;
  bool is_built_in = false;
  bool is_checked = false;  // its stored activation was there and matched

  std::string content_layers, style_layers;
  double style_weight = 0;
  double variation_weight = 0;

  // Puts the weights that the graph declares into the store. Throws IoError naming one that the
  // file lacks.
  void load_into(Store& store, const Graph& graph) const;
};

// A safetensors file with torchvision's names and layout ("features.0.weight" [64, 3, 3, 3]), made
// by scripts/convert_vgg.py or by hand; an empty path means the encoder that comes with the app.
// Which network it is follows from its metadata, else from the shapes. Without metadata the input
// is taken to be RGB 0..255 minus the mean of the original (Caffe) weights. Where the metadata
// stores activations, they are compared. Throws IoError naming the file.
Encoder load_encoder(const std::filesystem::path& path);

}  // namespace engine::apps::style_transfer
