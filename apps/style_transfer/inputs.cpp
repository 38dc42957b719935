#include "engine/apps/style_transfer/inputs.h"

#include <cmath>

#include "engine/apps/data/content_hash.h"
#include "engine/apps/run/exit_codes.h"
#include "engine/apps/style_transfer/masks.h"
#include "engine/apps/style_transfer/pictures.h"

namespace engine::apps::style_transfer {
namespace {

std::string hash_of(const Image& image) {
  ContentHash hash;
  hash.add(image);
  return hash.text();
}

std::string hash_of(const Encoder& encoder) {
  ContentHash hash;
  for (const auto& [name, tensor] : encoder.weights) {
    hash.add(name);
    hash.add(tensor);
  }
  return hash.text();
}

// Weighted sums of squared distances to several matrices have the gradient of the distance to their
// mean.
void add_style(const Targets& style, double weight, Targets& targets) {
  for (std::size_t layer = 0; layer < style.style.size(); ++layer) {
    if (targets.style.size() <= layer) {
      targets.style.push_back(Tensor::zeros(style.style[layer].shape(), DType::f32, Device::cpu()));
    }
    const auto sum = targets.style[layer].span<float>();
    const auto part = style.style[layer].span<float>();
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += static_cast<float>(weight) * part[i];
  }
}

}  // namespace

StyleInputs::StyleInputs(StyleSettings& s) : settings_(s) {
  load_picture_named(s.content, s.size, content_);
  for (const std::string& style : s.styles) {
    load_picture_named(style, style_size(s.size), styles_.emplace_back());
    if (s.colors == "matched") styles_.back() = with_colors_of(styles_.back(), content_);
  }
  load_masks();
  if (s.init != "content" && s.init != "noise") load_picture_named(s.init, s.size, init_);
  encoder_ = load_encoder(s.weights);
  names_.push_back(encoder_.is_built_in ? "the built-in encoder" : s.weights);
  hashes_.push_back(hash_of(encoder_));
  if (s.content_layers.empty()) s.content_layers = encoder_.content_layers;
  if (s.style_layers.empty()) s.style_layers = encoder_.style_layers;
  if (s.style_weight < 0) s.style_weight = encoder_.style_weight;
  if (s.variation_weight < 0) s.variation_weight = encoder_.variation_weight;
  objective_ = make_objective(s, encoder_);
  // A pixel is pulled as hard as without masks: by the part that a mask leaves of the picture, and
  // by weights whose mean is 1.
  for (std::size_t i = 0; i < masks_.size(); ++i) {
    objective_.mask_shares.push_back(coverage(masks_[i]) * s.style_weights[i] *
                                     static_cast<double>(masks_.size()));
  }
}

void StyleInputs::load_picture_named(const std::string& name, int size, Image& picture) {
  picture = load_picture(name, size);
  names_.push_back(name);
  hashes_.push_back(hash_of(picture));
}

void StyleInputs::load_masks() {
  for (const std::string& name : settings_.masks) {
    masks_.push_back(load_mask(name, content_, settings_.size));
    names_.push_back(name);
    hashes_.push_back(hash_of(masks_.back()));
  }
}

std::string StyleInputs::encoder_name() const {
  return join(encoder_.shape.name, encoder_.is_built_in ? ", built in" : ", ",
              encoder_.is_built_in ? "" : encoder_.file.string(),
              encoder_.is_checked ? "" : " (no stored activation to check it by)");
}

void StyleInputs::require_unchanged(const std::vector<std::string>& hashes) const {
  for (std::size_t i = 0; i < hashes_.size(); ++i) {
    if (i < hashes.size() && hashes[i] == hashes_[i]) continue;
    throw IoError(names_[i] + ": has changed since this run began");
  }
}

void StyleInputs::check_sizes(const std::vector<Scale>& scales) const {
  for (const Scale& scale : scales) {
    const auto check = [&](const Image& image, const std::string& name, int size, bool is_style) {
      try {
        measuring_graph(objective_, scaled_shape(image, size), is_style);
      } catch (const InvalidArgument& error) {
        throw UsageError(join(name, " at ", size, " pixels: ", error.what()));
      }
    };
    check(content_, settings_.content, scale.size, false);
    check(content_, settings_.content, scale.size, true);
    for (std::size_t i = 0; i < styles_.size(); ++i) {
      check(styles_[i], settings_.styles[i], style_size(scale.size), true);
    }
  }
}

int StyleInputs::style_size(int size) const {
  return static_cast<int>(std::lround(size * settings_.style_scale));
}

Shape StyleInputs::content_shape(int size) const {
  return scaled_shape(content_, size);
}

Tensor StyleInputs::content_at(int size) const {
  return scaled_pixels(content_, size);
}

Tensor StyleInputs::start_at(int size) const {
  const Shape shape = content_shape(size);
  if (settings_.init == "noise") {
    return initialize(init::uniform(0, 255), shape, DType::f32, settings_.seed,
                      "style_transfer noise");
  }
  if (!init_.pixels.empty()) return resized_like(scaled_pixels(init_, size), shape);
  return content_at(size);
}

std::vector<Tensor> StyleInputs::masks_at(int size) const {
  std::vector<Tensor> masks;
  for (const Image& mask : masks_) {
    for (const Shape& maps : style_map_shapes(objective_, content_shape(size))) {
      masks.push_back(mask_at(mask, maps[1], maps[2]));
    }
  }
  return masks;
}

Targets StyleInputs::targets_at(int size) const {
  Targets targets = measure(objective_, content_at(size), settings_.device, false);
  for (std::size_t i = 0; i < styles_.size(); ++i) {
    const Targets style =
        measure(objective_, scaled_pixels(styles_[i], style_size(size)), settings_.device, true);
    if (masks_.empty()) {
      add_style(style, settings_.style_weights[i], targets);
    } else {
      targets.style.insert(targets.style.end(), style.style.begin(), style.style.end());
    }
  }
  targets.masks = masks_at(size);
  return targets;
}

}  // namespace engine::apps::style_transfer
