#include "bench/engine_bench/nvml.h"

#include <memory>

#include <dlfcn.h>

#include "engine/core/errors.h"

namespace engine::bench {
namespace {

// Declared by hand (NVML API Reference Guide): the header comes with the toolkit only.
using Device = void*;
using Status = int;  // 0: success
constexpr int kClockSm = 1, kClockMemory = 2, kSensorGpu = 0;

class Library {
 public:
  Library() : handle_(dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL), close) {}
  bool is_loaded() const { return handle_ != nullptr; }
  // Calls a function by its name; a status other than 0 where it does not exist.
  template <class... Arguments>
  Status call(const char* name, Arguments... arguments) const {
    void* symbol = dlsym(handle_.get(), name);
    if (symbol == nullptr) return -1;
    return reinterpret_cast<Status (*)(Arguments...)>(symbol)(arguments...);
  }

 private:
  static void close(void* handle) {
    if (handle != nullptr) dlclose(handle);
  }
  std::unique_ptr<void, void (*)(void*)> handle_;
};

}  // namespace

std::vector<std::pair<std::string, std::string>> gpu_state(const std::string& pci_bus_id) {
  const Library nvml;
  if (!nvml.is_loaded()) return {{"nvml", "not found: no clocks, power or temperature"}};
  if (nvml.call("nvmlInit_v2") != 0) return {{"nvml", "does not start: no clocks"}};
  std::vector<std::pair<std::string, std::string>> state;
  const auto add = [&](const char* key, Status status, const std::string& value) {
    state.emplace_back(key, status == 0 ? value : "unknown");
  };
  char driver[96] = {};
  Status status = nvml.call("nvmlSystemGetDriverVersion", driver, 95u);
  add("driver", status, driver);
  Device device = nullptr;
  status = nvml.call("nvmlDeviceGetHandleByPciBusId_v2", pci_bus_id.c_str(), &device);
  if (status != 0) {
    state.emplace_back("nvml", join("does not know ", pci_bus_id, ": no clocks"));
  } else {
    unsigned value = 0;
    status = nvml.call("nvmlDeviceGetClockInfo", device, kClockSm, &value);
    add("sm_mhz", status, join(value));
    status = nvml.call("nvmlDeviceGetMaxClockInfo", device, kClockSm, &value);
    add("max_sm_mhz", status, join(value));
    status = nvml.call("nvmlDeviceGetClockInfo", device, kClockMemory, &value);
    add("memory_mhz", status, join(value));
    status = nvml.call("nvmlDeviceGetPowerUsage", device, &value);  // milliwatts
    add("watts", status, join(value / 1000));
    status = nvml.call("nvmlDeviceGetEnforcedPowerLimit", device, &value);
    add("limit_watts", status, join(value / 1000));
    status = nvml.call("nvmlDeviceGetTemperature", device, kSensorGpu, &value);
    add("celsius", status, join(value));
  }
  nvml.call("nvmlShutdown");
  return state;
}

}  // namespace engine::bench
