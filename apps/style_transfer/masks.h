#pragma once

#include <cstdint>
#include <string>

#include "engine/apps/data/image.h"
#include "engine/core/tensor.h"

namespace engine::apps::style_transfer {

// Where a style counts: white where it does, black where it does not; one channel. `name` is a
// file, or "half:left" (right, top, bottom), which is as large as the content and has a soft edge.
// Throws IoError naming a file that cannot be read, UsageError for a name that is not known, a
// picture that has not the content's shape at a longer side of `size`, and one that is black.
Image load_mask(const std::string& name, const Image& content, int size);
bool is_built_in_mask(const std::string& name);

// The mean of the squares of its values, 0 to 1: what it leaves of a picture.
double coverage(const Image& mask);

// Brought to a layer's height and width, antialiased: f32 [1, height, width, 1] whose squares have
// the mean 1, so that a Gram matrix of what it leaves means the same as one of a whole picture
// (Gatys et al. 2017, arXiv:1611.07865, section 4.1). All zeros stay zeros.
Tensor mask_at(const Image& mask, std::int64_t height, std::int64_t width);

}  // namespace engine::apps::style_transfer
