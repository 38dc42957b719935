#pragma once

#include <string>
#include <vector>

#include "engine/apps/data/image.h"
#include "engine/apps/style_transfer/objective.h"
#include "engine/apps/style_transfer/painter.h"

namespace engine::apps::style_transfer {

// What a run works from: its pictures, the encoder and the objective.
class StyleInputs {
 public:
  // Reads all of them; the encoder's own values replace those settings that were not given. Throws
  // IoError naming what cannot be read, UsageError for unknown names and layers.
  explicit StyleInputs(StyleSettings& settings);
  StyleInputs(const StyleInputs&) = delete;
  StyleInputs& operator=(const StyleInputs&) = delete;

  const Image& content() const { return content_; }
  const std::vector<Image>& styles() const { return styles_; }  // as they are used
  const std::vector<Image>& masks() const { return masks_; }    // one a style, or none
  const Encoder& encoder() const { return encoder_; }
  const Objective& objective() const { return objective_; }
  std::string encoder_name() const;

  // One hash each of content, styles, masks, start and weights: what a run folder keeps.
  const std::vector<std::string>& hashes() const { return hashes_; }
  // Throws IoError naming the first input that is not what it was then.
  void require_unchanged(const std::vector<std::string>& hashes) const;
  // Throws UsageError where content or style is too small for the deepest layer at one of them.
  void check_sizes(const std::vector<Scale>& scales) const;

  // For a scale with this longer side.
  int style_size(int size) const;
  Shape content_shape(int size) const;
  Tensor content_at(int size) const;
  Tensor start_at(int size) const;
  Targets targets_at(int size) const;

 private:
  void load_picture_named(const std::string& name, int size, Image& picture);
  void load_masks();
  std::vector<Tensor> masks_at(int size) const;

  const StyleSettings& settings_;
  Image content_, init_;  // no `init_` where the start is the content or noise
  std::vector<Image> styles_, masks_;
  Encoder encoder_;
  Objective objective_;
  std::vector<std::string> names_, hashes_;
};

}  // namespace engine::apps::style_transfer
