#include "case_time.h"

#include <chrono>
#include <string_view>
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
  const auto as_long_again = [](const testing::TestInfo&) { return 0.05; };
  CaseTime watch(1e-4, slowness, as_long_again);
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

const auto as_fast_as_here = [] { return 1.0; };
int tries = 0;

TEST(CaseTime, HasALongerLimitOnASlowerMachine) {
  const auto measure = [](double (*slowness_now)()) {
    CaseTime watch(0.001, slowness_now, [](const testing::TestInfo&) { return 1.0; });
    watch.OnTestStart(this_case());
    spend(0.01);
    watch.OnTestEnd(this_case());
  };
  measure([] { return 1000.0; });
  EXPECT_NONFATAL_FAILURE(measure(as_fast_as_here), "more than 0.001 s");
  EXPECT_GE(slowness(), 1.0);
}

TEST(CaseTime, CountsTheFastestOfFourTries) {
  const auto measure = [](double (*again)(const testing::TestInfo&)) {
    tries = 0;
    CaseTime watch(0.01, as_fast_as_here, again);
    watch.OnTestStart(this_case());
    spend(0.02);
    watch.OnTestEnd(this_case());
  };
  measure([](const testing::TestInfo&) { return ++tries < 3 ? 1.0 : 0.005; });
  EXPECT_EQ(tries, 3);
  EXPECT_NONFATAL_FAILURE(measure([](const testing::TestInfo&) { return 0.01 + ++tries; }),
                          "more than 0.01 s");
  EXPECT_EQ(tries, 3);
}

// Runs these again, alone.
TEST(CaseTime, SpendsATenthOfASecond) {
  spend(0.1);
}
TEST(CaseTime, AloneIsMeasuredInAnotherProcess) {
  const testing::TestSuite& cases = *testing::UnitTest::GetInstance()->current_test_suite();
  for (int i = 0; i < cases.total_test_count(); i++) {
    const testing::TestInfo& test = *cases.GetTestInfo(i);
    if (std::string_view(test.name()) != "SpendsATenthOfASecond") continue;
    const double seconds = seconds_alone(test);
    EXPECT_GE(seconds, 0.1);
    EXPECT_LT(seconds, 50);
  }
}

}  // namespace
}  // namespace engine::simt
