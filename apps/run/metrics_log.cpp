#include "engine/apps/run/metrics_log.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <span>

#include "engine/core/errors.h"
#include "engine/core/safetensors.h"

namespace engine::apps {
namespace fs = std::filesystem;
namespace {

std::vector<nlohmann::json> read_rows(const fs::path& path,
                                      const std::function<bool(const nlohmann::json&)>& keep) {
  std::vector<nlohmann::json> rows;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    // A process that was killed leaves at most a torn last line.
    nlohmann::json row = nlohmann::json::parse(line, nullptr, false);
    if (row.is_object() && keep && keep(row)) rows.push_back(std::move(row));
  }
  return rows;
}

std::string csv_field(const nlohmann::json& value) {
  if (value.is_null()) return "";
  if (!value.is_string()) return value.dump();
  std::string quoted = "\"";
  for (const char c : value.get<std::string>()) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + "\"";
}

}  // namespace

MetricsLog::File MetricsLog::open(const fs::path& path) {
  File file(std::fopen(path.c_str(), "ab"));
  if (!file) throw IoError(join("cannot write ", path.string(), ": ", std::strerror(errno)));
  return file;
}

std::string MetricsLog::csv_line(const nlohmann::json& row) const {
  std::string line;
  for (const std::string& column : columns_) {
    if (&column != &columns_.front()) line += ',';
    if (row.contains(column)) line += csv_field(row[column]);
  }
  return line + "\n";
}

MetricsLog::MetricsLog(const fs::path& folder, std::vector<std::string> columns,
                       const std::function<bool(const nlohmann::json&)>& keep)
    : columns_(std::move(columns)),
      jsonl_path_(folder / "metrics.jsonl"),
      csv_path_(folder / "metrics.csv") {
  rows_ = read_rows(jsonl_path_, keep);
  std::string jsonl;
  std::string csv;
  for (const std::string& column : columns_) {
    csv += (&column == &columns_.front() ? "" : ",") + column;
  }
  csv += "\n";
  for (const nlohmann::json& row : rows_) {
    jsonl += row.dump() + "\n";
    csv += csv_line(row);
  }
  const auto bytes = [](const std::string& text) {
    return std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
  };
  write_file_atomically(jsonl_path_, bytes(jsonl));
  write_file_atomically(csv_path_, bytes(csv));
  jsonl_ = open(jsonl_path_);
  csv_ = open(csv_path_);
}

void MetricsLog::write(std::FILE* file, const std::string& line, const fs::path& path) {
  const bool written = std::fwrite(line.data(), 1, line.size(), file) == line.size();
  if (!written || std::fflush(file) != 0) {
    throw IoError(join("cannot write ", path.string(), ": ", std::strerror(errno)));
  }
}

void MetricsLog::append(const nlohmann::json& row) {
  rows_.push_back(row);
  write(jsonl_.get(), row.dump() + "\n", jsonl_path_);
  write(csv_.get(), csv_line(row), csv_path_);
}

}  // namespace engine::apps
