// Library tests whose device is the emulated GPU, unless ENGINE_TEST_DEVICES says otherwise.
//   --every-kernel   fails too when a kernel of the program was launched by none of them
//   --list-kernels   prints "launched: TEST KERNEL" for each, without template arguments
//   (mutate.py)
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include <gtest/gtest.h>

#include "simt/control.h"

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

class KernelLister : public testing::EmptyTestEventListener {
  void OnTestStart(const testing::TestInfo&) override { engine::simt::forget_launched_kernels(); }
  void OnTestEnd(const testing::TestInfo& test) override {
    std::set<std::string> names;
    for (const std::string& kernel : engine::simt::launched_kernels()) {
      const std::string path = kernel.substr(0, kernel.find('<'));
      names.insert(path.substr(path.rfind(':') + 1));
    }
    for (const std::string& name : names) {
      std::printf("launched: %s.%s %s\n", test.test_suite_name(), test.name(), name.c_str());
    }
  }
};

int main(int argc, char** argv) {
  setenv("ENGINE_TEST_DEVICES", "cuda", 0);
  testing::InitGoogleTest(&argc, argv);
  const std::string_view option = argc > 1 ? argv[1] : "";
  if (option == "--list-kernels") {  // gtest owns it
    testing::UnitTest::GetInstance()->listeners().Append(new KernelLister);
  }
  const int status = RUN_ALL_TESTS();
  const bool every_kernel = option == "--every-kernel";
  return every_kernel && count_untested_kernels() > 0 ? 1 : status;
}
