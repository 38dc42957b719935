#include "case_time.h"

#include <chrono>
#include <thread>

#include <gtest/gtest-spi.h>

namespace engine::simt {
namespace {

const testing::TestInfo& this_case() {
  return *testing::UnitTest::GetInstance()->current_test_info();
}
void spend(double seconds) {
  const double end = thread_seconds() + seconds;
  while (thread_seconds() < end) {
  }
}

TEST(CaseTime, OfMoreThanTheLimitFails) {
  CaseTime watch(1e-4);
  watch.OnTestStart(this_case());
  spend(0.05);  // on a machine that is up to 500 times slower
  EXPECT_NONFATAL_FAILURE(watch.OnTestEnd(this_case()), "s of CPU time");
}

TEST(CaseTime, OfLessPasses) {
  CaseTime watch(0.05);
  spend(0.1);  // before the case
  watch.OnTestStart(this_case());
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  watch.OnTestEnd(this_case());
}

TEST(CaseTime, HasNoLimitOfZero) {
  CaseTime watch(0);
  watch.OnTestStart(this_case());
  spend(0.01);
  watch.OnTestEnd(this_case());
}

TEST(CaseTime, HasALongerLimitOnASlowerMachine) {
  const auto measure = [](double (*slowness_now)()) {
    CaseTime watch(0.001, slowness_now);
    watch.OnTestStart(this_case());
    spend(0.01);
    watch.OnTestEnd(this_case());
  };
  measure([] { return 1000.0; });
  EXPECT_NONFATAL_FAILURE(measure([] { return 1.0; }), "more than 0.001 s");
  EXPECT_GE(slowness(), 1.0);
}

}  // namespace
}  // namespace engine::simt
