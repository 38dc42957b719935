#include "case_time.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include <time.h>

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

void CaseTime::OnTestStart(const testing::TestInfo&) {
  start_ = thread_seconds();
}

void CaseTime::OnTestEnd(const testing::TestInfo&) {
  const double seconds = thread_seconds() - start_;
  if (limit_ <= 0 || seconds <= limit_) return;
  const double limit = limit_ * slowness_now_();
  if (seconds <= limit) return;
  char text[128];
  std::snprintf(text, sizeof text, "the case took %.3g s of CPU time, more than %.3g s", seconds,
                limit);
  ADD_FAILURE() << text << ": make it smaller, or set ENGINE_SIMT_CASE_SECONDS (0: no limit)";
}

}  // namespace engine::simt
