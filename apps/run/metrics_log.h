#pragma once

#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace engine::apps {

// metrics.jsonl and metrics.csv in a run folder, a line each for every row, on the disk before
// append() returns. The columns are fixed when the log is opened; a row may leave some out.
class MetricsLog {
 public:
  // Keeps the rows for which `keep` is true of the files that are there (a resumed run drops what
  // it is about to do again) and appends after them.
  MetricsLog(const std::filesystem::path& folder, std::vector<std::string> columns,
             const std::function<bool(const nlohmann::json&)>& keep = {});

  // Throws IoError when a line cannot be written.
  void append(const nlohmann::json& row);

  // Everything so far, oldest first.
  const std::vector<nlohmann::json>& rows() const { return rows_; }

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  using File = std::unique_ptr<std::FILE, Close>;

  static File open(const std::filesystem::path& path);
  void write(std::FILE* file, const std::string& line, const std::filesystem::path& path);
  std::string csv_line(const nlohmann::json& row) const;

  std::vector<std::string> columns_;
  std::vector<nlohmann::json> rows_;
  std::filesystem::path jsonl_path_;
  std::filesystem::path csv_path_;
  File jsonl_;
  File csv_;
};

}  // namespace engine::apps
