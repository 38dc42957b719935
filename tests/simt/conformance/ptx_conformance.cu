#include <cstdio>
#include <cstring>

#include "conformance.h"
#ifdef ENGINE_SIMT
#include "simt/control.h"
#endif

// ptx_conformance [NAME...]: runs each wrapper of kernels/cuda/ptx on the device (or its twin in
// the emulator), prints a table, and exits with 1 when a result is not what the PTX documentation
// says.
namespace engine::conformance {

std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}

std::vector<std::uint16_t> counting(std::size_t count) {
  std::vector<std::uint16_t> values(count);
  for (std::size_t i = 0; i < count; i++) values[i] = static_cast<std::uint16_t>(i);
  return values;
}

namespace {

bool is_wanted(const Case& test, int count, char** names) {
  if (count == 0) return true;
  for (int i = 0; i < count; i++) {
    if (std::strcmp(names[i], test.name) == 0) return true;
  }
  return false;
}

// What the emulator reported meanwhile; nothing on a device.
std::string reports_of_emulator() {
  std::string text;
#ifdef ENGINE_SIMT
  for (const simt::Report& report : simt::reports()) text += report.kind + ": " + report.text;
  simt::reset();
#endif
  return text;
}

int run_all(int count, char** names) {
  cudaDeviceProp device;
  ENGINE_CUDA_CHECK(cudaGetDeviceProperties(&device, 0));
  int runtime = 0, driver = 0;
  cudaRuntimeGetVersion(&runtime);
  cudaDriverGetVersion(&driver);
  std::printf("%s, compute capability %d.%d, CUDA %d, driver %d\n", device.name, device.major,
              device.minor, runtime, driver);
  int failed = 0, ran = 0;
  for (const Case& test : cases()) {
    if (!is_wanted(test, count, names)) continue;
    const int capability = device.major * 10 + device.minor;
    // What is built for 9.0a runs on 9.0 alone.
    if (capability < test.capability || (test.capability == 90 && device.major != 9)) {
      std::printf("  %-40s skipped: needs compute capability %d.%d\n", test.name,
                  test.capability / 10, test.capability % 10);
      continue;
    }
    Result result;
    std::string error;
    try {
      test.run(result);
      ENGINE_CUDA_CHECK(cudaDeviceSynchronize());
    } catch (const std::exception& thrown) {
      error = thrown.what();
    }
    error += reports_of_emulator();
    const bool is_right = error.empty() && result.is_right();
    ran++;
    failed += !is_right;
    std::printf("  %-40s %s%s%s\n", test.name, is_right ? "ok" : "FAILED ",
                is_right ? "" : error.c_str(),
                is_right || !error.empty() ? "" : result.text().c_str());
    std::fflush(stdout);
  }
  std::printf("%d cases, %d failed\n", ran, failed);
  return failed > 0 || ran == 0;
}

}  // namespace
}  // namespace engine::conformance

int main(int count, char** arguments) {
  try {
    return engine::conformance::run_all(count - 1, arguments + 1);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "ptx_conformance: %s\n", error.what());
    return 1;
  }
}
