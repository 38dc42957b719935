#pragma once

#include <algorithm>
#include <cstdlib>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "engine/core/device.h"

namespace engine {

// The devices that tests run on. ENGINE_TEST_DEVICES=cpu,cuda makes the absence of one an error;
// without it, all that there are.
inline std::vector<Device> test_devices() {
  const char* asked = std::getenv("ENGINE_TEST_DEVICES");
  std::vector<Device> devices;
  if (asked == nullptr) {
    devices.push_back(Device::cpu());
    if (Device::best().is_cuda()) devices.push_back(Device::best());
    return devices;
  }
  std::string text = asked;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    devices.push_back(Device::parse(text.substr(begin, end - begin)));
    begin = end + 1;
  }
  return devices;
}

// A fixture whose cases run on each of test_devices(): GetParam() is the case, device() where it
// runs. Goes with INSTANTIATE_TEST_SUITE_P(Table, Fixture, on_devices(kCases), device_case_name).
template <class Case>
class DeviceTest : public testing::TestWithParam<std::tuple<Case, Device>> {
 public:
  using Base = testing::TestWithParam<std::tuple<Case, Device>>;
  static const Case& GetParam() { return std::get<0>(Base::GetParam()); }
  static const Device& device() { return std::get<1>(Base::GetParam()); }
};

template <class Cases>
auto on_devices(const Cases& cases) {
  return testing::Combine(testing::ValuesIn(cases), testing::ValuesIn(test_devices()));
}

// For cases that are too large for an emulated device; a smaller twin runs on all.
template <class Cases>
auto on_cpu(const Cases& cases) {
  return testing::Combine(testing::ValuesIn(cases), testing::Values(Device::cpu()));
}

// The case's name and, off the CPU, the device's: "odd_sizes", "odd_sizes_cuda0".
inline constexpr auto device_case_name = [](const auto& info) {
  const auto& [test, device] = info.param;
  std::string name = test.name;
  if (!device.is_cpu()) name += "_cuda" + std::to_string(device.index());
  return name;
};

// The same for fixtures whose parameter is the device alone.
inline constexpr auto device_name = [](const auto& info) {
  const Device& device = info.param;
  return device.is_cpu() ? std::string("cpu") : "cuda" + std::to_string(device.index());
};

}  // namespace engine
