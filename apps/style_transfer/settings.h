#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "engine/apps/run/options.h"

namespace engine::apps::style_transfer {

// A layer and its share of the loss: "conv4_2", "conv1_1:0.5".
struct LayerWeight {
  std::string name;
  double weight = 1;
};
// Throws UsageError naming `flag`.
std::vector<LayerWeight> parse_layers(const std::string& flag, const std::string& text);

// Everything that decides the result: config.json of a run folder. Where a field says so, the
// encoder's own value replaces what was not given.
struct StyleSettings {
  std::string content;                // absolute file, "scene:7" or "pattern:waves"
  std::vector<std::string> styles;    // likewise
  std::vector<double> style_weights;  // one a style; they sum to 1
  std::vector<std::string> masks;     // absolute files or "half:left", one a style; or none
  std::string output;                 // absolute file
  std::string init = "content";       // content, noise, or a picture
  std::string weights;                // absolute file; empty: the encoder that comes with the app
  int size = 512;                     // pixels of the longer side
  int scales = 0;                     // 0: one for each halving down to 256 pixels, at most 3
  int iterations = 300;               // over all scales
  double style_scale = 1;             // longer side of the styles, as a share of `size`
  std::string content_layers;         // empty: the encoder's own
  std::string style_layers;           // empty: the encoder's own
  double content_weight = 1;
  double style_weight = -1;         // below 0: the encoder's own
  double variation_weight = -1;     // below 0: the encoder's own
  std::string pooling = "average";  // or max
  std::string optimizer = "adam";   // or lbfgs, lbfgs-fixed, gd
  double learning_rate = 0;         // 0: as suits the optimizer
  std::string colors = "style";     // or content (its chroma), matched (styles get its colours)
  int preview = 25;                 // iterations between previews
  std::uint64_t seed = 1;           // of the noise
  double memory_gib = 0;            // 0: what the machine has free
  std::vector<std::string> hashes;  // of the inputs, see StyleInputs
  DeviceOptions device;
};

nlohmann::json to_json(const StyleSettings& settings);
// Throws IoError naming `file`.
StyleSettings parse_style_settings(const nlohmann::json& json, const std::string& file);

// Longer sides from coarse to fine, and how many iterations each gets.
struct Scale {
  int size = 0;
  int iterations = 0;
};
std::vector<Scale> make_scales(const StyleSettings& settings);

}  // namespace engine::apps::style_transfer
