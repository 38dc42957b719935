#include "engine/core/atomic_file.h"

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "engine/core/errors.h"

namespace engine {
namespace {

std::string reason(int error) {
  return std::generic_category().message(error);
}

std::filesystem::path folder_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

// The file that a write to `path` replaces.
std::filesystem::path resolve(const std::filesystem::path& path) {
  if (!path.has_filename()) throw IoError(join("write: ", path, " names no file"));
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) return path;
  if (!std::filesystem::is_regular_file(status)) {
    throw IoError(join("write: ", path, " exists and is not a regular file"));
  }
  if (!std::filesystem::is_symlink(std::filesystem::symlink_status(path, error))) return path;
  const auto target = std::filesystem::canonical(path, error);
  return error ? path : target;
}

std::filesystem::path beside(const std::filesystem::path& path, int attempt) {
  return folder_of(path) /
         join(".", path.filename().string(), ".", ::getpid(), "-", attempt, ".tmp");
}

// Makes renames in a folder durable. File systems that cannot flush a folder say EINVAL.
int flush_folder(const std::filesystem::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return errno;
  const int error = ::fsync(descriptor) == 0 || errno == EINVAL ? 0 : errno;
  ::close(descriptor);
  return error;
}

}  // namespace

AtomicFile::AtomicFile(const std::filesystem::path& path) : path_(resolve(path)) {
  for (int attempt = 0; descriptor_ < 0; ++attempt) {
    const std::filesystem::path candidate = beside(path_, attempt);
    descriptor_ = ::open(candidate.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor_ >= 0) {
      temporary_ = candidate;
    } else if (errno != EEXIST && errno != EINTR) {
      fail("cannot create a temporary beside it", errno);
    }
  }
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::fail(const char* action, int error) const {
  throw IoError(
      join("write: ", path_, ": ", action, " after ", written_, " bytes: ", reason(error)));
}

void AtomicFile::write(std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(descriptor_, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) fail("cannot write", count < 0 ? errno : ENOSPC);
    written_ += static_cast<std::uint64_t>(count);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
}

void AtomicFile::keep_previous(const std::filesystem::path& previous) const {
  std::error_code ignored;
  if (!std::filesystem::exists(path_, ignored)) return;
  // A second name for the old file, moved over the older one: the path never goes away. Renaming
  // onto another name of the same file does nothing, hence the unlink.
  const std::filesystem::path link = temporary_.string() + ".previous";
  if (::link(path_.c_str(), link.c_str()) == 0) {
    const int error = ::rename(link.c_str(), previous.c_str()) == 0 ? 0 : errno;
    ::unlink(link.c_str());
    if (error != 0) fail("cannot keep the previous file", error);
    return;
  }
  // No hard links here: the path is missing until the rename that follows.
  if (::rename(path_.c_str(), previous.c_str()) != 0) fail("cannot keep the previous file", errno);
}

void AtomicFile::commit(const Commit& options) {
  ENGINE_CHECK(descriptor_ >= 0, "AtomicFile: ", path_, " was committed before");
  if (::fsync(descriptor_) != 0 && errno != EINVAL) fail("cannot flush", errno);
  const int descriptor = std::exchange(descriptor_, -1);
  if (::close(descriptor) != 0) fail("cannot close", errno);
  if (!options.previous.empty()) keep_previous(options.previous);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail("cannot rename", errno);
  temporary_.clear();
  if (const int error = flush_folder(folder_of(path_)); error != 0) {
    fail("cannot flush its folder", error);
  }
}

void write_file_atomically(const std::filesystem::path& path, std::span<const std::uint8_t> bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

}  // namespace engine
