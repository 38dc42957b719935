#pragma once

#include <gtest/gtest.h>

namespace engine::simt {

// CPU time of this thread.
double thread_seconds();
// How many times slower this machine is now than the one that limits are for, at least 1: by a
// fixed piece of work.
double slowness();

// CPU time of this case in a process of its own, start and all; infinity where it fails there.
double seconds_alone(const testing::TestInfo& test);

// Fails a case that took its thread more than `limit` seconds of CPU time, waiting not counted; so
// much longer where the machine is slower. A case over it has three more tries, each alone in a
// process: other work on the machine, and what earlier cases left in memory, can double a time.
class CaseTime : public testing::EmptyTestEventListener {
 public:
  explicit CaseTime(double limit, double (*slowness_now)() = slowness,
                    double (*again)(const testing::TestInfo&) = seconds_alone)
      : limit_(limit), slowness_now_(slowness_now), again_(again) {}
  void OnTestStart(const testing::TestInfo&) override;
  void OnTestEnd(const testing::TestInfo&) override;

 private:
  double limit_;
  double (*slowness_now_)();
  double (*again_)(const testing::TestInfo&);
  double start_ = 0;
};

}  // namespace engine::simt
