#include "engine/apps/run/console.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <sys/ioctl.h>
#include <unistd.h>

namespace engine::apps {
namespace {

int terminal_width() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

bool draws_on_standard_error() {
  const char* term = std::getenv("TERM");
  return isatty(STDERR_FILENO) == 1 && (term == nullptr || std::strcmp(term, "dumb") != 0);
}

}  // namespace

Console::Console(const OutputOptions& options)
    : options_(options), is_terminal_(!options.quiet && draws_on_standard_error()) {}

void Console::note(std::string_view line) {
  if (options_.quiet) return;
  warning(line);
}

void Console::warning(std::string_view line) {
  clear_status();
  std::fprintf(stderr, "%.*s\n", static_cast<int>(line.size()), line.data());
}

void Console::result(std::string_view line) {
  if (options_.json) return;
  clear_status();
  std::fprintf(stdout, "%.*s\n", static_cast<int>(line.size()), line.data());
}

void Console::json_result(const nlohmann::json& value) {
  if (!options_.json) return;
  clear_status();
  std::fprintf(stdout, "%s\n",
               value.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
}

void Console::status(std::string_view line) {
  if (!is_terminal_) return;
  const int width = std::min<int>(static_cast<int>(line.size()), terminal_width() - 1);
  std::fprintf(stderr, "\r\033[K%.*s", width, line.data());
  std::fflush(stderr);
  has_status_ = true;
}

void Console::clear_status() {
  if (!has_status_) return;
  std::fputs("\r\033[K", stderr);
  std::fflush(stderr);
  has_status_ = false;
}

Progress::Progress(Console& console, std::int64_t total, std::string unit)
    : console_(console),
      total_(std::max<std::int64_t>(total, 1)),
      unit_(std::move(unit)),
      begin_(std::chrono::steady_clock::now()) {}

Progress::~Progress() {
  console_.clear_status();
}

void Progress::start_at(std::int64_t done) {
  first_ = done;
  done_ = done;
}

double Progress::seconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
}

double Progress::units_per_second() const {
  const double elapsed = seconds();
  return elapsed > 0 ? static_cast<double>(done_ - first_) / elapsed : 0;
}

std::string Progress::time_left() const {
  const double rate = units_per_second();
  if (rate <= 0) return "?";
  return format_duration(static_cast<double>(total_ - done_) / rate);
}

void Progress::update(std::int64_t done, std::string_view label) {
  done_ = done;
  if (!console_.is_terminal()) return;
  const auto now = std::chrono::steady_clock::now();
  if (now - drawn_ < std::chrono::milliseconds(80) && done < total_) return;
  drawn_ = now;
  constexpr int kCells = 24;
  const double share = std::clamp(static_cast<double>(done) / static_cast<double>(total_), 0., 1.);
  const int filled = static_cast<int>(std::lround(share * kCells));
  char tail[96];
  std::snprintf(tail, sizeof(tail), "] %3.0f %%  %.0f %s/s  %s left", 100 * share,
                units_per_second(), unit_.c_str(), time_left().c_str());
  console_.status(std::string(label) + " [" + std::string(filled, '#') +
                  std::string(kCells - filled, '.') + tail);
}

std::string format_duration(double seconds) {
  char text[32];
  const auto whole = static_cast<long>(std::lround(seconds));
  if (seconds < 59.95) {
    std::snprintf(text, sizeof(text), "%.1f s", std::max(seconds, 0.0));
  } else if (whole < 3600) {
    std::snprintf(text, sizeof(text), "%ld:%02ld min", whole / 60, whole % 60);
  } else {
    std::snprintf(text, sizeof(text), "%ld:%02ld:%02ld h", whole / 3600, whole / 60 % 60,
                  whole % 60);
  }
  return text;
}

std::string format_percent(double share) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.2f %%", 100 * share);
  return text;
}

}  // namespace engine::apps
