#pragma once

#include <filesystem>
#include <optional>
#include <utility>

namespace engine::apps {

// One process at a time works in a folder: flock on its file .lock, until the object or the process
// ends, however that ends. Where the file system knows no locks it is as if there were no other
// process.
class FolderLock {
 public:
  // Nothing where another process holds it. Throws IoError when the file cannot be written.
  static std::optional<FolderLock> try_take(const std::filesystem::path& folder);

  FolderLock(FolderLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  FolderLock& operator=(FolderLock&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~FolderLock();

 private:
  explicit FolderLock(int descriptor) : descriptor_(descriptor) {}

  int descriptor_;
};

}  // namespace engine::apps
