#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>

#include "engine/apps/data/dataset.h"
#include "engine/core/errors.h"

namespace engine::apps {
namespace {

namespace fs = std::filesystem;

constexpr int kDefaultSide = 64;

struct PictureFile {
  fs::path path;
  std::string name;  // relative to the data folder
  std::int32_t label = 0;
};

bool is_hidden(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.empty() || name[0] == '.';
}

bool has_picture_extension(const fs::path& path) {
  std::string extension = path.extension().string();
  for (char& c : extension) {
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  constexpr std::array kExtensions = {".jpg", ".jpeg", ".png", ".ppm", ".pgm"};
  return std::find(kExtensions.begin(), kExtensions.end(), extension) != kExtensions.end();
}

// The visible folders of `path`, sorted, and how many pictures lie beside them.
struct Listing {
  std::vector<fs::path> folders;
  std::int64_t pictures = 0;
};

Listing list(const fs::path& path) {
  Listing listing;
  for (const auto& entry : fs::directory_iterator(path)) {
    if (is_hidden(entry.path())) continue;
    if (entry.is_directory()) {
      listing.folders.push_back(entry.path());
    } else if (has_picture_extension(entry.path())) {
      ++listing.pictures;
    }
  }
  std::sort(listing.folders.begin(), listing.folders.end());
  return listing;
}

// `path`, or the one folder in it when that holds the classes (day_night/training/{day,night}).
fs::path class_root(const fs::path& path) {
  const Listing outer = list(path);
  if (outer.folders.size() != 1 || outer.pictures > 0) return path;
  const Listing inner = list(outer.folders[0]);
  return !inner.folders.empty() && inner.pictures == 0 ? outer.folders[0] : path;
}

void append_pictures(const fs::path& folder, const fs::path& root, std::int32_t label,
                     std::vector<PictureFile>& files) {
  std::vector<PictureFile> found;
  for (auto it = fs::recursive_directory_iterator(folder); it != fs::end(it); ++it) {
    if (is_hidden(it->path())) {
      if (it->is_directory()) it.disable_recursion_pending();
      continue;
    }
    if (it->is_directory() || !has_picture_extension(it->path())) continue;
    found.push_back({it->path(), it->path().lexically_relative(root).generic_string(), label});
  }
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  files.insert(files.end(), found.begin(), found.end());
}

std::vector<PictureFile> list_pictures(const fs::path& path, const DatasetOptions& options,
                                       std::vector<std::string>& classes) {
  const fs::path root = class_root(path);
  const Listing listing = list(root);
  if (listing.folders.empty()) {
    throw InvalidArgument(
        join(path.string(), listing.pictures > 0 ? ": pictures, but no folders" : ": empty folder",
             "; one folder of pictures per class is needed, as in day/ and night/"));
  }
  classes = options.classes;
  if (classes.empty()) {
    for (const auto& folder : listing.folders) classes.push_back(folder.filename().string());
    if (classes.size() == 1) {
      throw InvalidArgument(join(path.string(), ": only one class, '", classes[0],
                                 "'; to tell classes apart at least two are needed"));
    }
  }
  std::vector<PictureFile> files;
  for (const auto& folder : listing.folders) {
    const std::string name = folder.filename().string();
    const auto it = std::find(classes.begin(), classes.end(), name);
    if (it == classes.end()) {
      std::string known;
      for (const auto& c : classes) known += (known.empty() ? "" : ", ") + c;
      throw InvalidArgument(join(folder.string(), ": no such class; the classes are: ", known));
    }
    const std::size_t before = files.size();
    append_pictures(folder, root, static_cast<std::int32_t>(it - classes.begin()), files);
    if (files.size() == before && options.classes.empty()) {
      throw IoError(
          join(folder.string(), ": no pictures (jpg, jpeg, png, ppm, pgm) in this class"));
    }
  }
  if (files.empty()) throw IoError(join(path.string(), ": no pictures (jpg, jpeg, png, ppm, pgm)"));
  return files;
}

// Decodes into rows of dataset.images; returns one reason per file, empty where it went well.
std::vector<std::string> decode_all(const std::vector<PictureFile>& files,
                                    const DatasetOptions& options, ImageDataset& dataset) {
  const int height = dataset.height();
  const int width = dataset.width();
  const DecodeOptions decode{.channels = dataset.channels(), .max_pixels = options.max_pixels};
  const auto pixels = dataset.images.span<std::uint8_t>();
  const std::int64_t row = std::int64_t{height} * width * decode.channels;
  std::vector<std::string> reasons(files.size());
  const auto one = [&](std::int64_t i) {
    try {
      const Image image = fit_image(read_image(files[i].path, decode), width, height, options.fit);
      std::memcpy(pixels.data() + i * row, image.pixels.data(), row);
    } catch (const std::exception& error) {
      reasons[i] = error.what();
    }
  };
  const auto count = static_cast<std::int64_t>(files.size());
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
ImageDataset keep_readable(ImageDataset dataset, const std::vector<PictureFile>& files,
                           const std::vector<std::string>& reasons) {
  std::vector<std::int64_t> kept;
  std::vector<std::string> skipped;
  std::vector<std::int64_t> readable(dataset.classes.size()), listed(dataset.classes.size());
  for (std::size_t i = 0; i < files.size(); ++i) {
    ++listed[files[i].label];
    if (reasons[i].empty()) {
      kept.push_back(static_cast<std::int64_t>(i));
      ++readable[files[i].label];
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

ImageDataset load_image_folder(const fs::path& path, const DatasetOptions& options) {
  ImageDataset dataset;
  std::vector<PictureFile> files;
  try {
    files = list_pictures(path, options, dataset.classes);
  } catch (const fs::filesystem_error& error) {
    throw IoError(join(error.path1().string(), ": ", error.code().message()));
  }
  const auto count = static_cast<std::int64_t>(files.size());
  const auto or_default = [](int value, int fallback) { return value > 0 ? value : fallback; };
  dataset.images =
      Tensor::empty({count, or_default(options.height, kDefaultSide),
                     or_default(options.width, kDefaultSide), or_default(options.channels, 3)},
                    DType::u8, Device::cpu());
  dataset.labels = Tensor::empty({count}, DType::i32, Device::cpu());
  for (std::int64_t i = 0; i < count; ++i) {
    dataset.labels.span<std::int32_t>()[i] = files[i].label;
    dataset.names.push_back(files[i].name);
  }
  const auto reasons = decode_all(files, options, dataset);
  return keep_readable(std::move(dataset), files, reasons);
}

}  // namespace engine::apps
