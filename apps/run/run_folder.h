#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "engine/apps/run/folder_lock.h"

namespace engine::apps {

// A folder that holds everything about one training run:
//   config.json               what was asked for, complete
//   metrics.jsonl, .csv       one line an epoch
//   checkpoint.safetensors    the latest, with ".previous" beside it
//   model.safetensors         the best so far, last.safetensors the latest
//   result.json, report.html  written when the run is finished
//   .lock                     held while a process works in the folder
class RunFolder {
 public:
  // Makes a new folder: `out`, which must be empty or missing, or, when `out` is empty, the next
  // free "runs/<stem>-NNN". Writes the configuration. Throws UsageError when `out` has content and
  // IoError when it cannot be written; the folder is empty then.
  static RunFolder create(const std::filesystem::path& out, std::string_view stem,
                          const nlohmann::json& config);

  // Throws UsageError when `out` is a file or a folder that is not empty.
  static void require_new(const std::filesystem::path& out);

  // Opens a run that was not finished. An empty `path` means the newest such run under "runs" that
  // belongs to `app` and that no process works in. Throws UsageError when there is none, or when
  // the one named is finished or still running.
  static RunFolder resume(const std::filesystem::path& path, std::string_view app);

  const std::filesystem::path& path() const { return path_; }
  const nlohmann::json& config() const { return config_; }
  std::filesystem::path file(std::string_view name) const { return path_ / name; }
  std::filesystem::path checkpoint() const { return file("checkpoint.safetensors"); }
  std::filesystem::path model() const { return file("model.safetensors"); }

  // Writes result.json, which marks the run as finished.
  void finish(const nlohmann::json& result) const;
  void write_text(std::string_view name, std::string_view text) const;  // atomically

 private:
  RunFolder(std::filesystem::path path, nlohmann::json config, FolderLock lock)
      : path_(std::move(path)), config_(std::move(config)), lock_(std::move(lock)) {}

  std::filesystem::path path_;
  nlohmann::json config_;
  FolderLock lock_;
};

// Reads a JSON file; throws IoError naming it when it is missing or damaged.
nlohmann::json read_json_file(const std::filesystem::path& path);

}  // namespace engine::apps
