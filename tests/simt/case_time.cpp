#include "case_time.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// Every program of engine_add_simt_test() watches its cases.
namespace engine::simt {
namespace {

// Of the work below on a Zen 4 core that nobody shares.
constexpr double kSecondsOfWork = 0.04;

// Much that the emulator does too: fresh memory, reads and writes all over it, each place known by
// the read before it.
std::uint32_t work() {
  std::vector<std::uint32_t> cells(1 << 20, 1);
  std::uint32_t at = 1;
  for (int i = 0; i < 1'000'000; i++) {
    std::uint32_t& cell = cells[at >> 12];
    cell = cell * 1664525u + 1013904223u + at;
    at = cell;
  }
  return at;
}

double case_limit() {
  constexpr double kSeconds = 2;
  const char* const given = std::getenv("ENGINE_SIMT_CASE_SECONDS");
  return given ? std::atof(given) : kSeconds;
}

// Behind the listeners that gtest makes of its flags, so that these see the failure.
class Watch : public testing::Environment {
  void SetUp() override {
    if (listener_) return;
    listener_ = new CaseTime(case_limit());  // gtest owns it
    testing::UnitTest::GetInstance()->listeners().Append(listener_);
  }
  CaseTime* listener_ = nullptr;
};
const testing::Environment* const watch = testing::AddGlobalTestEnvironment(new Watch);

}  // namespace

double thread_seconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

double slowness() {
  const double start = thread_seconds();
  [[maybe_unused]] volatile std::uint32_t result = work();
  return std::max(1.0, (thread_seconds() - start) / kSecondsOfWork);
}

double seconds_alone(const testing::TestInfo& test) {
  std::string filter = std::string("--gtest_filter=") + test.test_suite_name() + "." + test.name();
  char program[] = "/proc/self/exe", no_limit[] = "ENGINE_SIMT_CASE_SECONDS=0";
  char* arguments[] = {program, filter.data(), nullptr};
  std::vector<char*> environment = {no_limit};
  for (char** variable = environ; *variable; variable++) {
    const std::string_view text = *variable;
    if (!text.starts_with("GTEST_") && !text.starts_with("ENGINE_SIMT_CASE_SECONDS=")) {
      environment.push_back(*variable);
    }
  }
  environment.push_back(nullptr);

  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  for (const int file : {STDOUT_FILENO, STDERR_FILENO}) {
    posix_spawn_file_actions_addopen(&files, file, "/dev/null", O_WRONLY, 0);
  }
  pid_t child = 0;
  const int error = posix_spawn(&child, program, &files, nullptr, arguments, environment.data());
  posix_spawn_file_actions_destroy(&files);
  int status = 0;
  rusage used{};
  if (error || wait4(child, &status, 0, &used) != child || status != 0) {
    return std::numeric_limits<double>::infinity();
  }
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

void CaseTime::OnTestStart(const testing::TestInfo&) {
  start_ = thread_seconds();
}

void CaseTime::OnTestEnd(const testing::TestInfo& test) {
  double seconds = thread_seconds() - start_;
  double limit = limit_;
  for (int tries = 3; limit_ > 0 && seconds > limit; tries--) {
    limit = std::max(limit, limit_ * slowness_now_());
    if (seconds <= limit) return;
    if (tries == 0) {
      char text[128];
      std::snprintf(text, sizeof text, "the case took %.3g s of CPU time, more than %.3g s",
                    seconds, limit);
      ADD_FAILURE() << text << ": make it smaller, or set ENGINE_SIMT_CASE_SECONDS (0: no limit)";
      return;
    }
    seconds = std::min(seconds, again_(test));
  }
}

}  // namespace engine::simt
