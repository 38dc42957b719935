#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "engine/core/scope.h"

namespace engine::models {

// What a network may be asked for besides its name. A stored model is its name and these.
struct ClassifierOptions {
  std::int64_t outputs = 1;  // logits: 1 for two classes, else one a class
  std::vector<std::int64_t> hidden =
      {};                  // units of the hidden linear layers; empty: the network's own
  std::int64_t width = 1;  // multiplies the filters of convolutions
  float dropout = 0;       // before the last layer, in training

  bool operator==(const ClassifierOptions&) const = default;
};

// Normalised images f32 [n, h, w, c] -> logits [n, outputs].
struct Classifier {
  std::string_view name;
  std::string_view summary;
  Value (*build)(const Scope& net, const Value& images, const ClassifierOptions& options);
};

std::span<const Classifier> classifiers();
// Throws InvalidArgument listing the names that there are.
const Classifier& find_classifier(std::string_view name);

}  // namespace engine::models
