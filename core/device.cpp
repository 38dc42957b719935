#include "engine/core/device.h"

#include <algorithm>
#include <charconv>
#include <ostream>

#include "engine/core/backend.h"
#include "engine/core/cpu_info.h"
#include "engine/core/errors.h"
#include "engine/core/stream.h"

namespace engine {

Device Device::cpu(CpuOptions options) {
  ENGINE_CHECK(options.threads >= 0, "device: ", options.threads, " threads");
  return Device(DeviceType::cpu, 0, options.threads > 0 ? options.threads : physical_cores());
}

Device Device::cuda(int index) {
  ENGINE_CHECK(cuda_backend() != nullptr, "device cuda: this library was built without CUDA");
  const int count = cuda_device_count();
  ENGINE_CHECK(index >= 0 && index < count, "device cuda:", index, ": this machine offers ", count,
               " usable CUDA devices");
  cuda_backend()->check_usable(index);
  return Device(DeviceType::cuda, index, 1);
}

Device Device::best() {
  return cuda_device_count() > 0 ? cuda(0) : cpu();
}

Device Device::parse(std::string_view text, CpuOptions cpu_options) {
  if (text == "auto") return cuda_device_count() > 0 ? cuda(0) : cpu(cpu_options);
  if (text == "cpu") return cpu(cpu_options);
  if (text == "cuda") return cuda(0);
  if (text.starts_with("cuda:")) {
    const std::string_view digits = text.substr(5);
    int index = -1;
    const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), index);
    if (result.ec == std::errc() && result.ptr == digits.data() + digits.size()) return cuda(index);
  }
  throw InvalidArgument(join("device: \"", text, "\" is none of auto, cpu, cuda, cuda:N"));
}

bool Device::has_bf16_matrix_units() const {
  return is_cuda() || cpu_has_bf16_matrix_units();
}

std::ostream& operator<<(std::ostream& out, const Device& device) {
  if (device.is_cuda()) return out << "cuda:" << device.index();
  return out << "cpu(" << device.threads() << (device.threads() == 1 ? " thread)" : " threads)");
}

std::string describe(const Device& device) {
  if (device.is_cuda()) {
    return join(device, ", ", backend_of(device).describe(device.index()));
  }
  std::string text = join("cpu, ", device.threads(), device.threads() == 1 ? " thread" : " threads",
                          ", ", cpu_model());
  const char* separator = ", ";
  for (const std::string& set : cpu_instruction_sets()) {
    text += separator + set;
    separator = " ";
  }
  return text;
}

void Stream::synchronize() const {
  backend_of(device_).synchronize(device_.index(), native_handle_);
}

}  // namespace engine
