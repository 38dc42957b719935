#pragma once

#include <gtest/gtest.h>

#include "simt/control.h"

namespace engine {

// A test that says what the emulated machine is, or what fails on it; afterwards all is well again.
class EmulatedMachine : public testing::Test {
 public:
  void SetUp() override { simt::reset(); }
  void TearDown() override {
    if (simt::reports().empty()) simt::reset();  // what is reported makes the test fail after this
  }
};

}  // namespace engine
