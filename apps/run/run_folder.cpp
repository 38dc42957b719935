#include "engine/apps/run/run_folder.h"

#include <cstdio>
#include <fstream>
#include <sstream>
#include <system_error>

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

fs::path newest_unfinished(std::string_view app) {
  fs::path newest;
  fs::file_time_type newest_time;
  std::error_code error;
  for (fs::directory_iterator it(kRuns, error), end; !error && it != end; it.increment(error)) {
    const fs::path& path = it->path();
    if (!is_unfinished(path)) continue;
    std::error_code time_error;
    const auto time = fs::last_write_time(path / kConfig, time_error);
    if (time_error) continue;
    const bool newer = newest.empty() || time > newest_time ||
                       (time == newest_time && path.filename() > newest.filename());
    if (!newer) continue;
    try {
      if (read_json_file(path / kConfig).value("app", "") != app) continue;
    } catch (const std::exception&) {
      continue;  // a damaged configuration belongs to no app
    }
    newest = path;
    newest_time = time;
  }
  return newest;
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
  write_json(path / kConfig, config);
  return RunFolder(path, config);
}

RunFolder RunFolder::resume(const fs::path& path, std::string_view app) {
  fs::path found = path;
  if (path.empty()) {
    found = newest_unfinished(app);
    if (found.empty()) throw UsageError("--resume: there is no unfinished run under runs/");
  }
  std::error_code error;
  if (!fs::exists(found / kConfig, error)) {
    throw UsageError(join("--resume ", found.string(), ": is no run folder (no config.json)"));
  }
  if (fs::exists(found / kResult, error)) {
    throw UsageError(join("--resume ", found.string(), ": this run is finished"));
  }
  nlohmann::json config = read_json_file(found / kConfig);
  const bool is_ours = config.is_object() && config.contains("app") && config["app"] == app;
  if (!is_ours) throw UsageError(join("--resume ", found.string(), ": is not a run of ", app));
  return RunFolder(found, std::move(config));
}

bool RunFolder::is_finished() const {
  std::error_code error;
  return fs::exists(path_ / kResult, error);
}

void RunFolder::finish(const nlohmann::json& result) const {
  write_json(path_ / kResult, result);
}

void RunFolder::write_text(std::string_view name, std::string_view text) const {
  write_file_atomically(file(name),
                        {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

}  // namespace engine::apps
