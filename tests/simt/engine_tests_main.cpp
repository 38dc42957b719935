// Library tests whose device is the emulated GPU, unless ENGINE_TEST_DEVICES says otherwise.
#include <cstdlib>

#include <gtest/gtest.h>

int main(int argc, char** argv) {
  setenv("ENGINE_TEST_DEVICES", "cuda", 0);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
