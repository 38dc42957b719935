#include "bench/engine_bench/machine.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>

#include <unistd.h>

#include "bench/engine_bench/cuda_device.h"
#include "bench/engine_bench/nvml.h"
#include "bench/engine_bench/peers.h"
#include "engine/core/cpu/parallel.h"
#include "engine/core/tensor.h"
#include "engine/core/version.h"

namespace engine::bench {
namespace {

std::string now() {
  const std::time_t seconds = std::time(nullptr);
  std::tm calendar = {};
  gmtime_r(&seconds, &calendar);
  char text[32];
  std::strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", &calendar);
  return text;
}

Header state_now(const Device& device) {
  Header state;
  double load = 0;
  // Above the number of cores other programs slow this one down.
  if (getloadavg(&load, 1) == 1) state.emplace_back("load_average", join(load));
  if (device.is_cuda()) {
    for (auto& entry : gpu_state(cuda_pci_bus_id(device))) state.push_back(std::move(entry));
  }
  return state;
}

// Memory that a process may still use, in bytes.
std::int64_t available_host_bytes() {
  std::ifstream file("/proc/meminfo");
  std::string key, unit;
  std::int64_t kilobytes = 0;
  while (file >> key >> kilobytes) {
    if (key == "MemAvailable:") return kilobytes * 1024;
    std::getline(file, unit);
  }
  return std::int64_t{sysconf(_SC_AVPHYS_PAGES)} * sysconf(_SC_PAGESIZE);
}

double cpu_copy_rate(const Device& device) {
  constexpr int kPairs = 3;
  const std::int64_t bytes =
      std::clamp<std::int64_t>(last_level_cache_bytes(device), 32 << 20, 256 << 20);
  std::vector<Tensor> tensors;
  for (int i = 0; i < 2 * kPairs; ++i) tensors.push_back(Tensor::zeros({bytes}, DType::u8, device));
  int turn = 0;
  const auto stopwatch = make_stopwatch(device);
  const auto block = stopwatch->block(
      [&](const Stream& stream, int) {
        const auto* from = static_cast<const char*>(tensors[2 * turn].data());
        auto* to = static_cast<char*>(tensors[2 * turn + 1].data());
        cpu::parallel_for(stream, bytes, 1, [&](std::int64_t begin, std::int64_t end) {
          std::memcpy(to + begin, from + begin, static_cast<std::size_t>(end - begin));
        });
        turn = (turn + 1) % kPairs;
      },
      1, false);
  double best = block->seconds();
  for (int i = 0; i < 20; ++i) best = std::min(best, block->seconds());
  return 2 * static_cast<double>(bytes) / best;
}

}  // namespace

Header machine_header(const Device& device) {
  Header header = {{"date", now()},
                   {"device", describe(device)},
                   {"engine", version_string() + ", " + build_string()},
                   {"onednn", onednn_version_text()},
                   {"cudnn", cudnn_version_text()}};
  if (device.is_cuda()) {
    for (auto& entry : cuda_versions(device)) header.push_back(std::move(entry));
  }
  for (auto& entry : state_now(device)) header.push_back(std::move(entry));
  return header;
}

Header state_at_end(const Device& device) {
  Header state = state_now(device);
  for (auto& [key, value] : state) key = "at_end_" + key;
  return state;
}

std::int64_t last_level_cache_bytes(const Device& device) {
  if (device.is_cuda()) return cuda_l2_bytes(device);
  const std::int64_t third = sysconf(_SC_LEVEL3_CACHE_SIZE),
                     second = sysconf(_SC_LEVEL2_CACHE_SIZE);
  constexpr std::int64_t kUsual = 32 << 20;  // where the system does not tell
  // A virtual machine is told of its host's cache, of which it has a part.
  constexpr std::int64_t kMost = 128 << 20;
  return std::min(third > 0 ? third : second > 0 ? second : kUsual, kMost);
}

std::int64_t free_bytes(const Device& device) {
  return device.is_cuda() ? cuda_free_bytes(device) : available_host_bytes();
}

Ceilings measure_ceilings(const Device& device, double seconds) {
  if (device.is_cuda()) return measure_cuda_ceilings(device, seconds);
  Ceilings ceilings{.copy_bytes_per_second = cpu_copy_rate(device), .flops_per_second = {}};
  for (const MathMode mode : kMathModes) {
    ceilings.flops_per_second[mode] = onednn_matrix_rate(device, mode);
  }
  return ceilings;
}

}  // namespace engine::bench
