#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace engine::apps {

struct OutputOptions {
  bool json = false;   // one object on standard output instead of text
  bool quiet = false;  // nothing on standard error but errors
  int verbosity = 0;   // each -v one more
};

// Results go to standard output, everything else to standard error.
class Console {
 public:
  explicit Console(const OutputOptions& options);

  const OutputOptions& options() const { return options_; }
  bool is_terminal() const { return is_terminal_; }

  // A line for people, on standard error; nothing when quiet.
  void note(std::string_view line);
  void warning(std::string_view line);  // even when quiet
  // A line of the result, on standard output; nothing with --json.
  void result(std::string_view line);
  // The result as JSON, on standard output; nothing without --json.
  void json_result(const nlohmann::json& value);

  // Redraws the line at the bottom of a terminal; nothing elsewhere.
  void status(std::string_view line);
  void clear_status();

 private:
  OutputOptions options_;
  bool is_terminal_;
  bool has_status_ = false;
};

// How far a long job is: a bar with time left and throughput on a terminal, nothing elsewhere
// (callers print plain lines with note() at milestones).
class Progress {
 public:
  // `unit` is what throughput counts: "images".
  Progress(Console& console, std::int64_t total, std::string unit);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `done` of `total` units are done; `label` stands before the bar.
  void update(std::int64_t done, std::string_view label);
  // Does not count what a resumed run found done already.
  void start_at(std::int64_t done);
  double seconds() const;
  double units_per_second() const;
  std::string time_left() const;  // "1:05", "?" before anything is known

 private:
  Console& console_;
  std::int64_t total_;
  std::string unit_;
  std::int64_t first_ = 0;
  std::int64_t done_ = 0;
  std::chrono::steady_clock::time_point begin_;
  std::chrono::steady_clock::time_point drawn_{};
};

std::string format_duration(double seconds);  // "7.2 s", "1:05 min", "2:03:10 h"
std::string format_percent(double share);     // 0.9812 -> "98.12 %"

}  // namespace engine::apps
