#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/apps/data/image.h"
#include "engine/core/tensor.h"

namespace engine::apps {

// Pictures of one size with class labels, on the CPU.
struct ImageDataset {
  std::vector<std::string> classes;  // label -> name
  std::vector<std::string> names;    // where item i comes from: "night/20151101.jpg", "t10k 17"
  Tensor images;                     // u8 [n, height, width, channels]
  Tensor labels;                     // i32 [n]
  std::vector<std::string> skipped;  // "file: reason" of what could not be read
  // Where the format has its own test part, items [test_begin, n) are it.
  std::optional<std::int64_t> test_begin;

  std::int64_t count() const { return labels.defined() ? labels.elements() : 0; }
  int height() const { return static_cast<int>(images.shape()[1]); }
  int width() const { return static_cast<int>(images.shape()[2]); }
  int channels() const { return static_cast<int>(images.shape()[3]); }
  std::span<const std::int32_t> label_span() const { return labels.span<std::int32_t>(); }
  Image image(std::int64_t item) const;  // a copy, for reports
};

struct DatasetOptions {
  // 0: the format's own. Image folders and scenes: 64 x 64 RGB. Archives: the size of the first
  // picture, RGB. IDX: as stored, 1 channel.
  int height = 0;
  int width = 0;
  int channels = 0;
  Fit fit = Fit::stretch;
  std::int64_t max_pixels = DecodeOptions{}.max_pixels;
  int threads = 0;  // 0: as OpenMP has it
  // When not empty, the classes and their labels are these, whatever folders are there (evaluating
  // a model): a folder of another name is an error, a missing one is fine.
  std::vector<std::string> classes;
};

// Loads `path`, whatever of the three below it is.
ImageDataset load_dataset(const std::filesystem::path& path, const DatasetOptions& options = {});

// DIR/<class>/ with pictures (jpg jpeg png ppm pgm, any case; sub-folders too). When DIR holds a
// single folder that itself holds folders (day_night/training/{day,night}), that one is taken.
// Classes are the folders' names, sorted; hidden files and folders are passed over. Items are in
// order of class, then of file name. Damaged pictures are skipped and listed in `skipped`.
// Throws IoError when DIR cannot be read or no picture of a class remains; InvalidArgument when
// there is no class folder or only one class.
ImageDataset load_image_folder(const std::filesystem::path& path,
                               const DatasetOptions& options = {});

// An archive (tar, gzipped or not, or zip) of class folders: <class>/ with pictures, or
// train/<class>/ and test/<class>/, of which test is then the data's own test part; folders around
// them and other files are passed over. `path` is the archive, or a folder with one archive and
// nothing else that could be data. Items are in order of part, class and name. Damaged pictures are
// skipped and listed. Throws IoError, naming the archive, when it is damaged, holds more than 4 GiB
// of pictures or one above 256 MiB, or no picture of a class can be read; InvalidArgument when it
// holds fewer than two classes.
ImageDataset load_archive(const std::filesystem::path& path, const DatasetOptions& options = {});
// The archive that `path` stands for; empty when it stands for none.
std::filesystem::path find_archive(const std::filesystem::path& path);

// A folder with MNIST-like IDX files, gzipped or not: {train,t10k}-{images-idx3,labels-idx1}-ubyte
// (with a dot in place of the last dash of "images-idx3" too). Both parts when both are there.
// Every length is checked against the file before it is used. Throws IoError, naming the file.
ImageDataset load_idx(const std::filesystem::path& path, const DatasetOptions& options = {});
// True when `path` has at least one file that load_idx would read.
bool is_idx_folder(const std::filesystem::path& path);

// The items of `items`, in that order (test_begin and skipped are dropped).
ImageDataset subset(const ImageDataset& dataset, std::span<const std::int64_t> items);

}  // namespace engine::apps
