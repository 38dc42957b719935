#include "engine/apps/data/image.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/core/errors.h"

namespace engine::apps {

Image make_image(int width, int height, int channels, std::uint8_t value) {
  ENGINE_CHECK(width > 0 && height > 0 && (channels == 1 || channels == 3), "image: ", width, "x",
               height, " with ", channels, " channels; sides are at least 1, channels 1 or 3");
  Image image{width, height, channels, {}};
  image.pixels.assign(static_cast<std::size_t>(width) * height * channels, value);
  return image;
}

Image convert_channels(const Image& image, int channels) {
  if (channels == image.channels) return image;
  Image result = make_image(image.width, image.height, channels);
  const std::size_t count = static_cast<std::size_t>(image.width) * image.height;
  for (std::size_t i = 0; i < count; ++i) {
    if (channels == 3) {
      std::fill_n(&result.pixels[3 * i], 3, image.pixels[i]);
    } else {
      const std::uint8_t* rgb = &image.pixels[3 * i];
      // 0.299, 0.587, 0.114 in 256ths; the weights sum to 256, so that greys stay as they are.
      result.pixels[i] =
          static_cast<std::uint8_t>((77 * rgb[0] + 150 * rgb[1] + 29 * rgb[2] + 128) >> 8);
    }
  }
  return result;
}

Image crop(const Image& image, const Rectangle& part) {
  ENGINE_CHECK(part.left >= 0 && part.top >= 0 && part.width > 0 && part.height > 0 &&
                   part.left <= image.width - part.width && part.top <= image.height - part.height,
               "crop: ", part.width, "x", part.height, " at ", part.left, ",", part.top,
               " is not inside of the ", image.width, "x", image.height, " picture");
  Image result = make_image(part.width, part.height, image.channels);
  const std::size_t row = static_cast<std::size_t>(part.width) * image.channels;
  for (int y = 0; y < part.height; ++y) {
    const std::size_t from =
        (static_cast<std::size_t>(part.top + y) * image.width + part.left) * image.channels;
    std::memcpy(&result.pixels[y * row], &image.pixels[from], row);
  }
  return result;
}

Image fit_image(const Image& image, int width, int height, Fit fit) {
  if (fit == Fit::stretch) return resize(image, width, height);
  const double scale_x = static_cast<double>(width) / image.width;
  const double scale_y = static_cast<double>(height) / image.height;
  if (fit == Fit::center_crop) {
    // The middle part that has the target's aspect ratio, resized: no pixel is computed in vain.
    const double scale = std::max(scale_x, scale_y);
    const int w = std::clamp(static_cast<int>(std::lround(width / scale)), 1, image.width);
    const int h = std::clamp(static_cast<int>(std::lround(height / scale)), 1, image.height);
    return resize(crop(image, {(image.width - w) / 2, (image.height - h) / 2, w, h}), width,
                  height);
  }
  const double scale = std::min(scale_x, scale_y);
  const int w = std::clamp(static_cast<int>(std::lround(image.width * scale)), 1, width);
  const int h = std::clamp(static_cast<int>(std::lround(image.height * scale)), 1, height);
  const Image inner = resize(image, w, h);
  Image result = make_image(width, height, image.channels);
  const int left = (width - w) / 2;
  const int top = (height - h) / 2;
  const std::size_t row = static_cast<std::size_t>(w) * image.channels;
  for (int y = 0; y < h; ++y) {
    std::memcpy(&result.at(top + y, left, 0), &inner.pixels[y * row], row);
  }
  return result;
}

Fit parse_fit(const std::string& text) {
  for (const Fit fit : {Fit::stretch, Fit::center_crop, Fit::letterbox}) {
    if (text == name_of(fit)) return fit;
  }
  throw InvalidArgument(join("fit '", text, "' is none of stretch, crop, letterbox"));
}

std::string name_of(Fit fit) {
  switch (fit) {
    case Fit::stretch:
      return "stretch";
    case Fit::center_crop:
      return "crop";
    case Fit::letterbox:
      return "letterbox";
  }
  return "unknown";
}

}  // namespace engine::apps
