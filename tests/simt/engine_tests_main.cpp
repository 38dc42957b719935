// Library tests whose device is the emulated GPU, unless ENGINE_TEST_DEVICES says otherwise. What
// the emulator reports in a test makes that test fail.
//   --every-kernel   fails too when a kernel of the program was launched by none of them
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include <gtest/gtest.h>

#include "simt/control.h"
#include "tests/support/interpret.h"

// How many kernels nobody launched; their names go to stderr.
static int count_untested_kernels() {
  int untested = 0;
  for (const std::string& kernel : engine::simt::linked_kernels()) {
    if (engine::simt::launched_kernels().count(kernel)) continue;
    std::fprintf(stderr, "launched by no test: %s\n", kernel.c_str());
    untested++;
  }
  std::printf("%zu kernels, %d launched by no test\n", engine::simt::linked_kernels().size(),
              untested);
  return untested;
}

class ReportsAreFailures : public testing::EmptyTestEventListener {
  void OnTestEnd(const testing::TestInfo&) override {
    for (const engine::simt::Report& report : engine::simt::reports()) {
      ADD_FAILURE() << report.kind << ": " << report.text;
    }
    if (!engine::simt::reports().empty()) engine::simt::reset();
  }
};

int main(int argc, char** argv) {
  setenv("ENGINE_TEST_DEVICES", "cuda", 0);
  engine::gpu_guard_bytes = 0;
  testing::InitGoogleTest(&argc, argv);
  testing::UnitTest::GetInstance()->listeners().Append(new ReportsAreFailures);  // gtest owns it
  const bool every_kernel = argc > 1 && std::string_view(argv[1]) == "--every-kernel";
  const int status = RUN_ALL_TESTS();
  return every_kernel && count_untested_kernels() > 0 ? 1 : status;
}
