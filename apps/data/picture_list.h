#pragma once

#include "engine/apps/data/dataset.h"

namespace engine::apps {

// A picture that is still encoded: a file on disk, or bytes from an archive.
struct EncodedPicture {
  std::string name;  // how the data set and errors call it
  std::int32_t label = 0;
  std::filesystem::path path;       // read when there are no bytes
  std::vector<std::uint8_t> bytes;  // the encoded picture
};

// Whether a file of this name is one that the data sets take: jpg jpeg png ppm pgm, any case.
bool has_picture_extension(const std::filesystem::path& path);

// Decodes all of them in parallel to the size and channels of the options, which must be given (not
// 0), in the order of the list. Damaged pictures are left out and listed in `skipped`. Throws
// IoError when no picture of a class that has some can be read.
ImageDataset decode_pictures(const std::vector<EncodedPicture>& pictures,
                             std::vector<std::string> classes, const DatasetOptions& options);

}  // namespace engine::apps
