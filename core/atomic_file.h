#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

namespace engine {

// Writes a file such that its path holds either the old content or all of the new at every moment,
// also across a power cut: the bytes go to a temporary in the same folder, which is flushed to the
// disk and renamed by commit(). The destructor removes a temporary that was not committed. A
// process that is killed leaves its temporary behind: ".NAME.PID-N.tmp".
//
// All members throw IoError, naming the file and the system's reason, when anything fails (no
// space, no permission, a file size limit); the old file is untouched then. With a file size limit
// (RLIMIT_FSIZE) the system first sends SIGXFSZ, whose default ends the process: a program that
// wants the error ignores that signal at its start (std::signal(SIGXFSZ, SIG_IGN)). The library
// changes no signal handling.
//
// A path that is a symbolic link stands for the file that it points to. A path that exists and is
// no regular file (a folder, a device) is refused.
class AtomicFile {
 public:
  struct Commit {
    // Keep the file that was there, under this name. At every moment either the path or this name
    // holds a whole file.
    std::filesystem::path previous = {};
  };

  explicit AtomicFile(const std::filesystem::path& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::uint8_t> bytes);
  void commit(const Commit& options);
  void commit() { commit({}); }

 private:
  void keep_previous(const std::filesystem::path& previous) const;
  [[noreturn]] void fail(const char* action, int error) const;

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  int descriptor_ = -1;
  std::uint64_t written_ = 0;
};

// One buffer, the same way.
void write_file_atomically(const std::filesystem::path& path, std::span<const std::uint8_t> bytes);

}  // namespace engine
