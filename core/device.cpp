#include "engine/core/device.h"

#include <algorithm>
#include <charconv>
#include <ostream>

#include "engine/core/backend.h"
#include "engine/core/cpu_info.h"
#include "engine/core/errors.h"

namespace engine {

Device Device::cpu(CpuOptions options) {
  ENGINE_CHECK(options.threads >= 0, "device: ", options.threads, " threads");
  if (options.threads > 0) return Device(DeviceType::cpu, 0, options.threads);
  // Every small host tensor asks, and the answer takes the reading of a dozen files.
  static const int cores = physical_cores();
  return Device(DeviceType::cpu, 0, cores);
}

Device Device::cuda(int index) {
  const int count = cuda_device_count();
  ENGINE_CHECK(count > 0, "device cuda: ", cuda_problem());
  ENGINE_CHECK(index >= 0 && index < count, "device cuda:", index, ": this machine has ", count,
               count == 1 ? " CUDA device" : " CUDA devices");
  const std::string reason = cuda_backend()->why_unsupported(index);
  ENGINE_CHECK(reason.empty(), "device cuda:", index, ": ", reason);
  cuda_backend()->open(index);
  return Device(DeviceType::cuda, index, 1);
}

namespace {

// The first GPU that this build has code for; -1 where there is none.
int first_supported_gpu() {
  const int count = cuda_device_count();
  for (int index = 0; index < count; ++index) {
    if (cuda_backend()->why_unsupported(index).empty()) return index;
  }
  return -1;
}

}  // namespace

Device Device::best(CpuOptions cpu_options) {
  const int gpu = first_supported_gpu();
  return gpu >= 0 ? cuda(gpu) : cpu(cpu_options);
}

std::string why_no_cuda() {
  if (first_supported_gpu() >= 0) return "";
  return cuda_device_count() == 0 ? cuda_problem() : cuda_backend()->why_unsupported(0);
}

Device Device::parse(std::string_view text, CpuOptions cpu_options) {
  if (text == "auto") return best(cpu_options);
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

}  // namespace engine
