#include "engine/apps/style_transfer/masks.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/apps/run/exit_codes.h"
#include "engine/apps/style_transfer/pictures.h"

namespace engine::apps::style_transfer {
namespace {

constexpr std::string_view kHalf = "half:";
constexpr double kEdge = 0.2;  // of the picture: from white to black

Image half(const std::string& name, int width, int height) {
  const std::string side = name.substr(kHalf.size());
  const bool is_across = side == "left" || side == "right";
  if (!is_across && side != "top" && side != "bottom") {
    throw UsageError(join(name, ": there are: half:left half:right half:top half:bottom"));
  }
  const bool is_first = side == "left" || side == "top";
  Image mask = make_image(width, height, 1);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const double at = is_across ? (x + 0.5) / width : (y + 0.5) / height;
      const double second = std::clamp((at - 0.5) / kEdge + 0.5, 0.0, 1.0);
      const double white = is_first ? 1 - second : second;
      mask.at(y, x, 0) = static_cast<std::uint8_t>(std::lround(255 * white));
    }
  }
  return mask;
}

double mean_square(std::span<const float> values) {
  const double sum = std::inner_product(values.begin(), values.end(), values.begin(), 0.0);
  return sum / static_cast<double>(values.size());
}

}  // namespace

bool is_built_in_mask(const std::string& name) {
  return name.starts_with(kHalf);
}

Image load_mask(const std::string& name, const Image& content, int size) {
  if (is_built_in_mask(name)) return half(name, content.width, content.height);
  Image mask = read_image(name, {.channels = 1, .background = 0});
  if (scaled_shape(mask, size) != scaled_shape(content, size)) {
    throw UsageError(join(name, ": a mask of ", mask.width, " x ", mask.height,
                          " pixels; the content has ", content.width, " x ", content.height,
                          ", and a mask needs its shape"));
  }
  if (coverage(mask) == 0) throw UsageError(name + ": the mask is black, its style counts nowhere");
  return mask;
}

double coverage(const Image& mask) {
  double sum = 0;
  for (const std::uint8_t value : mask.pixels) sum += value / 255.0 * (value / 255.0);
  return sum / static_cast<double>(mask.pixels.size());
}

Tensor mask_at(const Image& mask, std::int64_t height, std::int64_t width) {
  const Tensor whole = Tensor::empty({1, mask.height, mask.width, 1}, DType::f32, Device::cpu());
  std::copy(mask.pixels.begin(), mask.pixels.end(), whole.span<float>().begin());
  const Tensor values = resized_like(whole, {1, height, width, 1});
  const double root = std::sqrt(mean_square(values.span<float>()));
  for (float& value : values.span<float>()) {
    value = root > 0 ? static_cast<float>(value / root) : 0.0f;
  }
  return values;
}

}  // namespace engine::apps::style_transfer
