#pragma once

#include <gtest/gtest.h>

#include "simt/control.h"

namespace engine {

// A test that says what the emulated machine is, or what fails on it; afterwards all is well again.
class EmulatedMachine : public testing::Test {
 public:
  void SetUp() override { simt::reset(); }
  void TearDown() override {
    for (const simt::Report& report : simt::reports()) ADD_FAILURE() << report.text;
    simt::reset();
  }
};

}  // namespace engine
