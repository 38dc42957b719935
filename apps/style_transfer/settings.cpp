#include "engine/apps/style_transfer/settings.h"

#include <algorithm>
#include <sstream>

#include "engine/apps/run/exit_codes.h"
#include "engine/apps/run/settings_json.h"

namespace engine::apps::style_transfer {
namespace {

constexpr int kCoarsest = 256;  // pixels; below it a scale of its own is not worth the trouble
constexpr int kMostScales = 3;

constexpr auto fields = [](auto& s, const auto& visit) {
  visit("content", s.content);
  visit("styles", s.styles);
  visit("style_weights", s.style_weights);
  visit("masks", s.masks);
  visit("output", s.output);
  visit("init", s.init);
  visit("weights", s.weights);
  visit("size", s.size);
  visit("scales", s.scales);
  visit("iterations", s.iterations);
  visit("style_scale", s.style_scale);
  visit("content_layers", s.content_layers);
  visit("style_layers", s.style_layers);
  visit("content_weight", s.content_weight);
  visit("style_weight", s.style_weight);
  visit("variation_weight", s.variation_weight);
  visit("pooling", s.pooling);
  visit("optimizer", s.optimizer);
  visit("learning_rate", s.learning_rate);
  visit("colors", s.colors);
  visit("preview", s.preview);
  visit("seed", s.seed);
  visit("memory_gib", s.memory_gib);
  visit("hashes", s.hashes);
  device_fields(s.device, visit);
};

}  // namespace

std::vector<LayerWeight> parse_layers(const std::string& flag, const std::string& text) {
  std::vector<LayerWeight> layers;
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) {
    const std::size_t colon = part.find(':');
    LayerWeight layer{.name = part.substr(0, colon)};
    if (colon != std::string::npos) {
      std::size_t used = 0;
      try {
        layer.weight = std::stod(part.substr(colon + 1), &used);
      } catch (const std::exception&) {
        used = 0;
      }
      if (used == 0 || used != part.size() - colon - 1 || !(layer.weight > 0)) {
        throw UsageError(join(flag, " ", text, ": \"", part, "\": write conv4_2 or conv4_2:0.5"));
      }
    }
    layers.push_back(layer);
  }
  if (layers.empty()) throw UsageError(join(flag, ": no layer"));
  return layers;
}

std::vector<Scale> make_scales(const StyleSettings& settings) {
  int count = settings.scales;
  if (count == 0) {
    count = 1;
    while (count < kMostScales && settings.size >> count >= kCoarsest) ++count;
  }
  std::vector<Scale> scales;
  for (int i = 0; i < count; ++i) {
    const int done = settings.iterations * i / count;
    scales.push_back({.size = settings.size >> (count - 1 - i),
                      .iterations = settings.iterations * (i + 1) / count - done});
  }
  std::erase_if(scales, [](const Scale& scale) { return scale.iterations == 0; });
  return scales;
}

nlohmann::json to_json(const StyleSettings& settings) {
  return settings_to_json("style_transfer", settings, fields);
}

StyleSettings parse_style_settings(const nlohmann::json& json, const std::string& file) {
  return settings_from_json<StyleSettings>(json, file, fields);
}

}  // namespace engine::apps::style_transfer
