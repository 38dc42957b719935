#include "engine/apps/data/picture_list.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>

#include "engine/core/errors.h"

namespace engine::apps {
namespace {

// Decodes into rows of dataset.images; returns one reason per picture, empty where it went well.
std::vector<std::string> decode_all(const std::vector<EncodedPicture>& pictures,
                                    const DatasetOptions& options, ImageDataset& dataset) {
  const int height = dataset.height();
  const int width = dataset.width();
  const DecodeOptions decode{.channels = dataset.channels(), .max_pixels = options.max_pixels};
  const auto pixels = dataset.images.span<std::uint8_t>();
  const std::int64_t row = std::int64_t{height} * width * decode.channels;
  std::vector<std::string> reasons(pictures.size());
  const auto one = [&](std::int64_t i) {
    const EncodedPicture& picture = pictures[i];
    try {
      const Image decoded = picture.bytes.empty()
                                ? read_image(picture.path, decode)
                                : decode_image(picture.bytes, picture.name, decode);
      const Image image = fit_image(decoded, width, height, options.fit);
      std::memcpy(pixels.data() + i * row, image.pixels.data(), row);
    } catch (const std::exception& error) {
      reasons[i] = error.what();
    }
  };
  const auto count = static_cast<std::int64_t>(pictures.size());
  if (options.threads > 0) {
#pragma omp parallel for schedule(dynamic) num_threads(options.threads)
    for (std::int64_t i = 0; i < count; ++i) one(i);
  } else {
#pragma omp parallel for schedule(dynamic)
    for (std::int64_t i = 0; i < count; ++i) one(i);
  }
  return reasons;
}

// Drops the damaged pictures; a class of which none is left is an error.
ImageDataset keep_readable(ImageDataset dataset, const std::vector<EncodedPicture>& pictures,
                           const std::vector<std::string>& reasons) {
  std::vector<std::int64_t> kept;
  std::vector<std::string> skipped;
  std::vector<std::int64_t> readable(dataset.classes.size()), listed(dataset.classes.size());
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    ++listed[pictures[i].label];
    if (reasons[i].empty()) {
      kept.push_back(static_cast<std::int64_t>(i));
      ++readable[pictures[i].label];
    } else {
      skipped.push_back(reasons[i]);
    }
  }
  for (std::size_t c = 0; c < listed.size(); ++c) {
    if (listed[c] > 0 && readable[c] == 0) {
      throw IoError(join("class '", dataset.classes[c], "': none of its ", listed[c],
                         " pictures can be read; ", skipped.size() == 1 ? "" : "for example ",
                         skipped[0]));
    }
  }
  if (!skipped.empty()) dataset = subset(dataset, kept);
  dataset.skipped = std::move(skipped);
  return dataset;
}

}  // namespace

bool has_picture_extension(const std::filesystem::path& path) {
  std::string extension = path.extension().string();
  for (char& c : extension) {
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  constexpr std::array kExtensions = {".jpg", ".jpeg", ".png", ".ppm", ".pgm"};
  return std::find(kExtensions.begin(), kExtensions.end(), extension) != kExtensions.end();
}

ImageDataset decode_pictures(const std::vector<EncodedPicture>& pictures,
                             std::vector<std::string> classes, const DatasetOptions& options) {
  ImageDataset dataset;
  dataset.classes = std::move(classes);
  const auto count = static_cast<std::int64_t>(pictures.size());
  dataset.images = Tensor::empty({count, options.height, options.width, options.channels},
                                 DType::u8, Device::cpu());
  dataset.labels = Tensor::empty({count}, DType::i32, Device::cpu());
  for (std::int64_t i = 0; i < count; ++i) {
    dataset.labels.span<std::int32_t>()[i] = pictures[i].label;
    dataset.names.push_back(pictures[i].name);
  }
  const std::vector<std::string> reasons = decode_all(pictures, options, dataset);
  return keep_readable(std::move(dataset), pictures, reasons);
}

}  // namespace engine::apps
