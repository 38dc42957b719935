#include "engine/apps/run/unused_gpu.h"

#include <filesystem>

#include "engine/core/device.h"

namespace engine::apps {

std::string unused_gpu() {
  std::error_code error;
  const bool has_gpu = std::filesystem::exists("/proc/driver/nvidia/version", error) ||
                       std::filesystem::exists("/dev/nvidia0", error) ||
                       std::filesystem::exists("/dev/dxg", error);  // Windows' subsystem for Linux
  const std::string reason = has_gpu ? why_no_cuda() : "";
  return reason.empty() ? "" : "the NVIDIA GPU of this machine is not used: " + reason;
}

}  // namespace engine::apps
