#pragma once

#include <gtest/gtest.h>

namespace engine::simt {

// CPU time of this thread.
double thread_seconds();
// How many times slower this machine is now than the one that limits are for, at least 1: by a
// fixed piece of work.
double slowness();

// Fails a case that took its thread more than `limit` seconds of CPU time, waiting not counted; so
// much longer where the machine is slower. 0: no limit.
class CaseTime : public testing::EmptyTestEventListener {
 public:
  explicit CaseTime(double limit, double (*slowness_now)() = slowness)
      : limit_(limit), slowness_now_(slowness_now) {}
  void OnTestStart(const testing::TestInfo&) override;
  void OnTestEnd(const testing::TestInfo&) override;

 private:
  double limit_;
  double (*slowness_now_)();
  double start_ = 0;
};

}  // namespace engine::simt
