#include "engine/apps/data/dataset.h"

#include <algorithm>
#include <cstring>

#include "engine/core/errors.h"

namespace engine::apps {

Image ImageDataset::image(std::int64_t item) const {
  ENGINE_CHECK(item >= 0 && item < count(), "image: item ", item, " of ", count());
  Image result = make_image(width(), height(), channels());
  std::memcpy(result.pixels.data(),
              images.span<std::uint8_t>().data() + item * result.pixels.size(),
              result.pixels.size());
  return result;
}

ImageDataset load_dataset(const std::filesystem::path& path, const DatasetOptions& options) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) throw IoError(join(path.string(), ": no such folder"));
  if (!find_archive(path).empty()) return load_archive(path, options);
  if (!std::filesystem::is_directory(status)) {
    throw InvalidArgument(join(path.string(),
                               ": not a folder; data is a folder with one folder of pictures per "
                               "class or with IDX files, or an archive (.tar.gz, .tar, .zip)"));
  }
  return is_idx_folder(path) ? load_idx(path, options) : load_image_folder(path, options);
}

ImageDataset subset(const ImageDataset& dataset, std::span<const std::int64_t> items) {
  ImageDataset result;
  result.classes = dataset.classes;
  const auto count = static_cast<std::int64_t>(items.size());
  result.images = Tensor::empty(dataset.images.shape().with(0, count), DType::u8, Device::cpu());
  result.labels = Tensor::empty({count}, DType::i32, Device::cpu());
  const std::int64_t row = std::int64_t{dataset.height()} * dataset.width() * dataset.channels();
  const auto source = dataset.images.span<std::uint8_t>();
  const auto target = result.images.span<std::uint8_t>();
  const auto source_labels = dataset.label_span();
  const auto target_labels = result.labels.span<std::int32_t>();
  for (std::int64_t i = 0; i < count; ++i) {
    ENGINE_CHECK(items[i] >= 0 && items[i] < dataset.count(), "subset: item ", items[i], " of ",
                 dataset.count());
    std::memcpy(target.data() + i * row, source.data() + items[i] * row, row);
    target_labels[i] = source_labels[items[i]];
    result.names.push_back(dataset.names[items[i]]);
  }
  return result;
}

}  // namespace engine::apps
