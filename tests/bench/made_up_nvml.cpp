// An NVML that tells of one GPU, for the header of engine_bench on machines that have none.
#include <cstdio>
#include <cstring>

#define MADE_UP_NVML extern "C" __attribute__((visibility("default"))) int

MADE_UP_NVML nvmlInit_v2() {
  return 0;
}
MADE_UP_NVML nvmlShutdown() {
  return 0;
}
MADE_UP_NVML nvmlSystemGetDriverVersion(char* version, unsigned length) {
  std::snprintf(version, length, "%s", "999.10");
  return 0;
}
MADE_UP_NVML nvmlDeviceGetHandleByPciBusId_v2(const char* bus_id, void** device) {
  static int only;
  *device = &only;
  return std::strlen(bus_id) == std::strlen("00000000:00:00.0") ? 0 : 2;
}
MADE_UP_NVML nvmlDeviceGetClockInfo(void*, int clock, unsigned* mhz) {
  *mhz = clock == 1 ? 1500 : 2600;  // of the multiprocessors, of the memory
  return 0;
}
MADE_UP_NVML nvmlDeviceGetMaxClockInfo(void*, int, unsigned* mhz) {
  *mhz = 1980;
  return 0;
}
MADE_UP_NVML nvmlDeviceGetPowerUsage(void*, unsigned* milliwatts) {
  *milliwatts = 512999;
  return 0;
}
MADE_UP_NVML nvmlDeviceGetEnforcedPowerLimit(void*, unsigned*) {
  return 3;  // not supported
}
MADE_UP_NVML nvmlDeviceGetTemperature(void*, int, unsigned* celsius) {
  *celsius = 61;
  return 0;
}
