#include "engine/apps/style_transfer/settings.h"

#include <algorithm>
#include <sstream>

#include "engine/apps/run/exit_codes.h"

namespace engine::apps::style_transfer {
namespace {

constexpr int kCoarsest = 256;  // pixels; below it a scale of its own is not worth the trouble
constexpr int kMostScales = 3;

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

std::string text_of(const std::vector<LayerWeight>& layers) {
  std::string text;
  for (const LayerWeight& layer : layers) {
    text += join(text.empty() ? "" : ",", layer.name);
    if (layer.weight != 1) text += join(':', layer.weight);
  }
  return text;
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

nlohmann::json to_json(const StyleSettings& s) {
  return {{"app", "style_transfer"},
          {"content", s.content},
          {"styles", s.styles},
          {"style_weights", s.style_weights},
          {"output", s.output},
          {"init", s.init},
          {"weights", s.weights},
          {"size", s.size},
          {"scales", s.scales},
          {"iterations", s.iterations},
          {"style_scale", s.style_scale},
          {"content_layers", s.content_layers},
          {"style_layers", s.style_layers},
          {"content_weight", s.content_weight},
          {"style_weight", s.style_weight},
          {"variation_weight", s.variation_weight},
          {"pooling", s.pooling},
          {"optimizer", s.optimizer},
          {"learning_rate", s.learning_rate},
          {"colors", s.colors},
          {"preview", s.preview},
          {"seed", s.seed},
          {"memory_gib", s.memory_gib},
          {"device", s.device.device},
          {"precision", s.device.precision},
          {"threads", s.device.threads}};
}

StyleSettings parse_style_settings(const nlohmann::json& json, const std::string& file) {
  StyleSettings s;
  try {
    json.at("content").get_to(s.content);
    json.at("styles").get_to(s.styles);
    json.at("style_weights").get_to(s.style_weights);
    json.at("output").get_to(s.output);
    json.at("init").get_to(s.init);
    json.at("weights").get_to(s.weights);
    json.at("size").get_to(s.size);
    json.at("scales").get_to(s.scales);
    json.at("iterations").get_to(s.iterations);
    json.at("style_scale").get_to(s.style_scale);
    json.at("content_layers").get_to(s.content_layers);
    json.at("style_layers").get_to(s.style_layers);
    json.at("content_weight").get_to(s.content_weight);
    json.at("style_weight").get_to(s.style_weight);
    json.at("variation_weight").get_to(s.variation_weight);
    json.at("pooling").get_to(s.pooling);
    json.at("optimizer").get_to(s.optimizer);
    json.at("learning_rate").get_to(s.learning_rate);
    json.at("colors").get_to(s.colors);
    json.at("preview").get_to(s.preview);
    json.at("seed").get_to(s.seed);
    json.at("memory_gib").get_to(s.memory_gib);
    json.at("device").get_to(s.device.device);
    json.at("precision").get_to(s.device.precision);
    json.at("threads").get_to(s.device.threads);
  } catch (const nlohmann::json::exception&) {
    throw IoError(file + ": is damaged: a setting is missing or of the wrong kind");
  }
  return s;
}

}  // namespace engine::apps::style_transfer
