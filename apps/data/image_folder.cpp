#include <algorithm>

#include "engine/apps/data/picture_list.h"
#include "engine/core/errors.h"

namespace engine::apps {
namespace {

namespace fs = std::filesystem;

constexpr int kDefaultSide = 64;

bool is_hidden(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.empty() || name[0] == '.';
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
                     std::vector<EncodedPicture>& files) {
  std::vector<EncodedPicture> found;
  for (auto it = fs::recursive_directory_iterator(folder); it != fs::end(it); ++it) {
    if (is_hidden(it->path())) {
      if (it->is_directory()) it.disable_recursion_pending();
      continue;
    }
    if (it->is_directory() || !has_picture_extension(it->path())) continue;
    found.push_back({.name = it->path().lexically_relative(root).generic_string(),
                     .label = label,
                     .path = it->path()});
  }
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  files.insert(files.end(), found.begin(), found.end());
}

std::vector<EncodedPicture> list_pictures(const fs::path& path, const DatasetOptions& options,
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
  std::vector<EncodedPicture> files;
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

}  // namespace

ImageDataset load_image_folder(const fs::path& path, const DatasetOptions& options) {
  std::vector<std::string> classes;
  std::vector<EncodedPicture> files;
  try {
    files = list_pictures(path, options, classes);
  } catch (const fs::filesystem_error& error) {
    throw IoError(join(error.path1().string(), ": ", error.code().message()));
  }
  DatasetOptions completed = options;
  if (completed.height == 0) completed.height = kDefaultSide;
  if (completed.width == 0) completed.width = kDefaultSide;
  if (completed.channels == 0) completed.channels = 3;
  return decode_pictures(files, std::move(classes), completed);
}

}  // namespace engine::apps
