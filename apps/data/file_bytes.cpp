#include "engine/apps/data/file_bytes.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "engine/core/errors.h"

namespace engine::apps {
namespace {

struct Closer {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, Closer>;

[[noreturn]] void fail(const std::filesystem::path& path, const char* what, int error) {
  throw IoError(join(path.string(), ": ", what, ": ", std::strerror(error)));
}

}  // namespace

std::vector<std::uint8_t> read_file_bytes(const std::filesystem::path& path,
                                          std::int64_t max_bytes) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    throw IoError(join(path.string(), ": cannot read: it is a folder"));
  }
  const File file(std::fopen(path.c_str(), "rb"));
  if (!file) fail(path, "cannot open", errno);
  // Read until the end, whatever size the file system claims: it may be a pipe or still growing.
  std::vector<std::uint8_t> bytes;
  const auto expected = std::filesystem::file_size(path, error);
  if (!error && static_cast<std::int64_t>(expected) <= max_bytes) bytes.reserve(expected + 1);
  std::size_t used = 0;
  while (true) {
    bytes.resize(std::max(bytes.capacity(), used + 65536));
    const std::size_t got = std::fread(bytes.data() + used, 1, bytes.size() - used, file.get());
    used += got;
    if (static_cast<std::int64_t>(used) > max_bytes) {
      throw IoError(join(path.string(), ": larger than the limit of ", max_bytes, " bytes"));
    }
    if (std::ferror(file.get())) fail(path, "cannot read", errno);
    if (got == 0 || std::feof(file.get())) break;
  }
  bytes.resize(used);
  return bytes;
}

}  // namespace engine::apps
