#include "engine/apps/run/run_folder.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <system_error>
#include <vector>

#include "engine/apps/run/exit_codes.h"
#include "engine/core/safetensors.h"

namespace engine::apps {
namespace fs = std::filesystem;
namespace {

constexpr const char* kRuns = "runs";
constexpr const char* kConfig = "config.json";
constexpr const char* kResult = "result.json";

void write_json(const fs::path& path, const nlohmann::json& value) {
  const std::string text = value.dump(2) + "\n";
  write_file_atomically(path, {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

[[noreturn]] void throw_io(std::string_view what, const fs::path& path,
                           const std::error_code& error) {
  throw IoError(join(what, " ", path.string(), ": ", error.message()));
}

fs::path next_free_folder(std::string_view stem) {
  std::error_code error;
  fs::create_directories(kRuns, error);
  if (error) throw_io("cannot create the folder", kRuns, error);
  for (int number = 1;; ++number) {
    char suffix[16];
    std::snprintf(suffix, sizeof(suffix), "-%03d", number);
    const fs::path path = fs::path(kRuns) / (std::string(stem) + suffix);
    // create_directory is false where the name is taken, so two processes never share a folder.
    if (fs::create_directory(path, error)) return path;
    if (error) throw_io("cannot create the folder", path, error);
  }
}

void make_empty_folder(const fs::path& path) {
  RunFolder::require_new(path);
  std::error_code error;
  fs::create_directories(path, error);
  if (error) throw_io("cannot create the folder", path, error);
}

bool is_unfinished(const fs::path& path) {
  std::error_code error;
  return fs::exists(path / kConfig, error) && !fs::exists(path / kResult, error);
}

// Of this app, newest first.
std::vector<fs::path> unfinished_runs(std::string_view app) {
  struct Run {
    fs::file_time_type time;
    fs::path path;
    auto operator<=>(const Run&) const = default;
  };
  std::vector<Run> runs;
  std::error_code error;
  for (fs::directory_iterator it(kRuns, error), end; !error && it != end; it.increment(error)) {
    const fs::path& path = it->path();
    if (!is_unfinished(path)) continue;
    std::error_code time_error;
    const auto time = fs::last_write_time(path / kConfig, time_error);
    if (time_error) continue;
    try {
      if (read_json_file(path / kConfig).value("app", "") != app) continue;
    } catch (const std::exception&) {
      continue;  // a damaged configuration belongs to no app
    }
    runs.push_back({time, path});
  }
  std::sort(runs.rbegin(), runs.rend());
  std::vector<fs::path> paths;
  for (Run& run : runs) paths.push_back(std::move(run.path));
  return paths;
}

}  // namespace

nlohmann::json read_json_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  if (in) text << in.rdbuf();
  if (!in) throw IoError(join("cannot read ", path.string()));
  try {
    return nlohmann::json::parse(text.str());
  } catch (const nlohmann::json::exception&) {
    throw IoError(join(path.string(), ": is damaged: not valid JSON"));
  }
}

void RunFolder::require_new(const fs::path& path) {
  std::error_code error;
  if (!fs::exists(path, error)) return;
  if (!fs::is_directory(path, error)) {
    throw UsageError(join("--out ", path.string(), ": is a file, not a folder"));
  }
  const bool is_empty = fs::is_empty(path, error);
  if (error) throw_io("cannot read the folder", path, error);
  if (is_empty) return;
  throw UsageError(join("--out ", path.string(),
                        ": the folder is not empty; name a new one, or continue the run in it with "
                        "--resume ",
                        path.string()));
}

RunFolder RunFolder::create(const fs::path& out, std::string_view stem,
                            const nlohmann::json& config) {
  fs::path path = out;
  if (out.empty()) {
    path = next_free_folder(stem);
  } else {
    make_empty_folder(out);
  }
  std::optional<FolderLock> lock = FolderLock::try_take(path);
  if (!lock) throw UsageError(join("--out ", path.string(), ": another run begins there"));
  try {
    write_json(path / kConfig, config);
  } catch (const IoError&) {
    std::error_code ignored;
    fs::remove(path / ".lock", ignored);
    throw;
  }
  return RunFolder(path, config, std::move(*lock));
}

RunFolder RunFolder::resume(const fs::path& path, std::string_view app) {
  if (path.empty()) {
    bool is_any_running = false;
    for (const fs::path& run : unfinished_runs(app)) {
      std::optional<FolderLock> lock = FolderLock::try_take(run);
      is_any_running = is_any_running || !lock;
      // Its process may have finished it since it was listed.
      if (lock && is_unfinished(run)) {
        return RunFolder(run, read_json_file(run / kConfig), std::move(*lock));
      }
    }
    throw UsageError(join("--resume: there is no unfinished run under runs/",
                          is_any_running ? " but those that are running" : ""));
  }
  std::error_code error;
  if (!fs::exists(path / kConfig, error)) {
    throw UsageError(join("--resume ", path.string(), ": is no run folder (no config.json)"));
  }
  nlohmann::json config = read_json_file(path / kConfig);
  const bool is_ours = config.is_object() && config.contains("app") && config["app"] == app;
  if (!is_ours) throw UsageError(join("--resume ", path.string(), ": is not a run of ", app));
  if (!is_unfinished(path)) {
    throw UsageError(join("--resume ", path.string(), ": this run is finished"));
  }
  std::optional<FolderLock> lock = FolderLock::try_take(path);
  if (!lock) throw UsageError(join("--resume ", path.string(), ": this run is running"));
  return RunFolder(path, std::move(config), std::move(*lock));
}

void RunFolder::finish(const nlohmann::json& result) const {
  write_json(path_ / kResult, result);
}

void RunFolder::write_text(std::string_view name, std::string_view text) const {
  write_file_atomically(file(name),
                        {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

}  // namespace engine::apps
