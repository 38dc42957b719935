#pragma once

#include <string>

#include "engine/apps/data/image.h"
#include "engine/core/tensor.h"

namespace engine::apps::style_transfer {

// A file, "scene:7" (the built-in scene of that number) or "pattern:NAME" (see make_pattern), as
// large as it comes; built-in pictures with a longer side of `size`. Throws IoError naming the
// picture, UsageError for an unknown built-in name.
Image load_picture(const std::string& name, int size);
// The same picture by an absolute path, so that a run can be resumed from elsewhere.
std::string absolute_name(const std::string& name);

// Brought to a longer side of `size`, the aspect ratio kept, antialiased. Pixels 0..255 as
// f32 [1, h, w, 3].
Shape scaled_shape(const Image& image, int size);
Tensor scaled_pixels(const Image& image, int size);
// Rounded and clamped to 0..255.
Image to_image(const Tensor& pixels);

// Resampled to the height and width of `like`, antialiased.
Tensor resized_like(const Tensor& pixels, const Shape& like);

// `pixels` with the chroma of `content` (equally large) and its own luma: Gatys et al. 2016,
// arXiv:1606.05897, section 3.1.
Tensor with_chroma_of(const Tensor& pixels, const Tensor& content);
// `style` with the mean and covariance of `content`'s colours, through the symmetric square roots
// (section 3.2 of the same paper, "image analogies" colour transfer).
Image with_colors_of(const Image& style, const Image& content);

// Procedural styles of our own: waves, mosaic, brush, dots, rings, stripes.
Image make_pattern(const std::string& name, int size);

}  // namespace engine::apps::style_transfer
