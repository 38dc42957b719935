#pragma once

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

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

}  // namespace engine
