#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include <zlib.h>

#include "engine/apps/data/dataset.h"
#include "engine/core/errors.h"

namespace engine::apps {
namespace {

namespace fs = std::filesystem;

constexpr std::array kParts = {"train", "t10k"};
// Deflate makes at most 1,032 bytes of one (zlib's technical notes): a header that promises more
// than that lies, and is found out before memory is allocated.
constexpr std::int64_t kMaxInflation = 1032;

struct Idx {
  std::vector<std::int64_t> extents;
  std::vector<std::uint8_t> values;
};

fs::path find_part(const fs::path& folder, const std::string& part, const std::string& kind) {
  for (const char* separator : {"-", "."}) {
    for (const char* ending : {"", ".gz"}) {
      fs::path path = folder / join(part, "-", kind.substr(0, kind.find('-')), separator,
                                    kind.substr(kind.find('-') + 1), "-ubyte", ending);
      std::error_code error;
      if (fs::is_regular_file(path, error)) return path;
    }
  }
  return {};
}

// A file, gzipped or not, from front to end.
class GzipReader {
 public:
  explicit GzipReader(const fs::path& path) : path_(path), file_(gzopen(path.c_str(), "rb")) {
    if (!file_) throw IoError(join(path.string(), ": cannot open"));
    gzbuffer(file_.get(), 1 << 18);
  }

  void read(std::uint8_t* target, std::int64_t bytes) {
    std::int64_t done = 0;
    while (done < bytes) {
      const auto step = static_cast<unsigned>(std::min<std::int64_t>(bytes - done, 1 << 24));
      const int got = gzread(file_.get(), target + done, step);
      check_stream();
      if (got <= 0) {
        throw IoError(
            join(path_.string(), ": truncated: its header promises ", bytes - done, " bytes more"));
      }
      done += got;
    }
  }
  // Also lets zlib compare the check sum.
  void expect_end() {
    std::uint8_t byte = 0;
    const int got = gzread(file_.get(), &byte, 1);
    check_stream();
    if (got != 0) throw IoError(join(path_.string(), ": longer than its header says"));
  }

 private:
  struct Close {
    void operator()(gzFile file) const { gzclose(file); }
  };

  void check_stream() const {
    int code = Z_OK;
    const char* message = gzerror(file_.get(), &code);
    if (code != Z_OK && code != Z_STREAM_END) {
      throw IoError(join(path_.string(), ": damaged or truncated: ", message));
    }
  }

  const fs::path& path_;
  std::unique_ptr<gzFile_s, Close> file_;
};

Idx read_idx(const fs::path& path, int rank) {
  GzipReader reader(path);
  const auto word = [&reader]() {
    std::array<std::uint8_t, 4> b{};
    reader.read(b.data(), 4);
    return std::int64_t{b[0]} << 24 | b[1] << 16 | b[2] << 8 | b[3];
  };
  const std::int64_t magic = word();
  if (magic != (0x800 | rank)) {
    throw IoError(join(path.string(), ": not an IDX file of bytes with ", rank,
                       rank == 1 ? " axis" : " axes", "; it begins with ", magic));
  }
  std::error_code error;
  const auto file_bytes = static_cast<std::int64_t>(fs::file_size(path, error));
  const std::int64_t limit = error ? 0 : file_bytes * kMaxInflation;
  Idx idx;
  std::int64_t total = 1;
  for (int axis = 0; axis < rank; ++axis) {
    const std::int64_t extent = word();
    idx.extents.push_back(extent);
    if (extent < 1 || extent > limit / total) {
      throw IoError(join(path.string(), ": its header says ", extent, " along axis ", axis,
                         ", which a file of ", file_bytes, " bytes cannot hold"));
    }
    total *= extent;
  }
  idx.values.resize(total);
  reader.read(idx.values.data(), total);
  reader.expect_end();
  return idx;
}

struct Part {
  std::string name;
  Idx images;
  std::vector<std::uint8_t> labels;

  std::int64_t count() const { return images.extents[0]; }
};

Part read_part(const fs::path& folder, const std::string& name, const fs::path& images_path) {
  const fs::path labels_path = find_part(folder, name, "labels-idx1");
  if (labels_path.empty()) {
    throw IoError(join(images_path.string(), ": its labels (", name,
                       "-labels-idx1-ubyte) are not beside it"));
  }
  Part part{name, read_idx(images_path, 3), read_idx(labels_path, 1).values};
  const auto labels = static_cast<std::int64_t>(part.labels.size());
  if (labels != part.count()) {
    throw IoError(join(labels_path.string(), ": ", labels, " labels for the ", part.count(),
                       " pictures of ", images_path.filename().string()));
  }
  return part;
}

std::vector<std::string> class_names(const std::vector<Part>& parts,
                                     const DatasetOptions& options) {
  int largest = 0;
  for (const Part& part : parts) {
    largest = std::max<int>(largest, *std::max_element(part.labels.begin(), part.labels.end()));
  }
  if (!options.classes.empty()) {
    ENGINE_CHECK(largest < static_cast<int>(options.classes.size()), "IDX labels go up to ",
                 largest, ", but there are ", options.classes.size(), " classes");
    return options.classes;
  }
  ENGINE_CHECK(largest > 0,
               "IDX: only one class, 0; to tell classes apart at least two are needed");
  std::vector<std::string> names;
  for (int c = 0; c <= largest; ++c) names.push_back(std::to_string(c));
  return names;
}

// Item `i` of the part into `target`, at the data set's size and channels.
void store_item(const Part& part, std::int64_t i, const ImageDataset& dataset, Fit fit,
                std::uint8_t* target) {
  const int height = static_cast<int>(part.images.extents[1]);
  const int width = static_cast<int>(part.images.extents[2]);
  const std::size_t stored = static_cast<std::size_t>(height) * width;
  const std::uint8_t* source = part.images.values.data() + i * stored;
  if (height == dataset.height() && width == dataset.width() && dataset.channels() == 1) {
    std::memcpy(target, source, stored);
    return;
  }
  Image image{width, height, 1, {source, source + stored}};
  image = convert_channels(fit_image(image, dataset.width(), dataset.height(), fit),
                           dataset.channels());
  std::memcpy(target, image.pixels.data(), image.pixels.size());
}

// Of all parts. Throws where their pictures have no size in common and none is asked for.
std::int64_t count_items(const std::vector<Part>& parts, const fs::path& path,
                         const DatasetOptions& options) {
  const bool has_size = options.height > 0 && options.width > 0;
  std::int64_t count = 0;
  for (const Part& part : parts) {
    count += part.count();
    if (part.images.extents[1] > 65535 || part.images.extents[2] > 65535) {
      throw IoError(join(path.string(), ": pictures of ", part.images.extents[2], "x",
                         part.images.extents[1], " are too large"));
    }
    if (!has_size && !std::equal(part.images.extents.begin() + 1, part.images.extents.end(),
                                 parts[0].images.extents.begin() + 1)) {
      throw IoError(join(path.string(),
                         ": the training and the test part have pictures of "
                         "different sizes; name the size that you want"));
    }
  }
  return count;
}

}  // namespace

bool is_idx_folder(const fs::path& path) {
  return std::any_of(kParts.begin(), kParts.end(), [&path](const char* part) {
    return !find_part(path, part, "images-idx3").empty();
  });
}

ImageDataset load_idx(const fs::path& path, const DatasetOptions& options) {
  std::vector<Part> parts;
  for (const char* name : kParts) {
    const fs::path images_path = find_part(path, name, "images-idx3");
    if (!images_path.empty()) parts.push_back(read_part(path, name, images_path));
  }
  if (parts.empty()) {
    throw IoError(join(path.string(), ": no IDX files such as train-images-idx3-ubyte"));
  }
  const std::int64_t count = count_items(parts, path, options);
  ImageDataset dataset;
  dataset.classes = class_names(parts, options);
  dataset.images =
      Tensor::empty({count, options.height > 0 ? options.height : parts[0].images.extents[1],
                     options.width > 0 ? options.width : parts[0].images.extents[2],
                     options.channels > 0 ? options.channels : 1},
                    DType::u8, Device::cpu());
  dataset.labels = Tensor::empty({count}, DType::i32, Device::cpu());
  const std::int64_t row = std::int64_t{dataset.height()} * dataset.width() * dataset.channels();
  std::int64_t begin = 0;
  for (const Part& part : parts) {
    if (part.name == "t10k") dataset.test_begin = begin;
    std::uint8_t* const target = dataset.images.span<std::uint8_t>().data() + begin * row;
#pragma omp parallel for schedule(static)
    for (std::int64_t i = 0; i < part.count(); ++i) {
      store_item(part, i, dataset, options.fit, target + i * row);
    }
    for (std::int64_t i = 0; i < part.count(); ++i) {
      dataset.labels.span<std::int32_t>()[begin + i] = part.labels[i];
      dataset.names.push_back(join(part.name, " ", i));
    }
    begin += part.count();
  }
  // A test part alone is simply the data.
  if (dataset.test_begin == 0) dataset.test_begin.reset();
  return dataset;
}

}  // namespace engine::apps
