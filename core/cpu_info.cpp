#include "engine/core/cpu_info.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <set>
#include <thread>

#ifdef __linux__
#include <sched.h>
#endif
#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace engine {
namespace {

#if defined(__x86_64__)

struct CpuidLeaf {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
};

CpuidLeaf cpuid(unsigned leaf, unsigned subleaf = 0) {
  CpuidLeaf result;
  // Returns 0 and leaves the zeros for leaves above the processor's highest.
  __get_cpuid_count(leaf, subleaf, &result.eax, &result.ebx, &result.ecx, &result.edx);
  return result;
}

// The register sets that the operating system saves: extended control register 0.
unsigned long long saved_register_sets() {
  const bool has_xgetbv = (cpuid(1).ecx >> 27) & 1u;
  if (!has_xgetbv) return 0;
  unsigned low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<unsigned long long>(high) << 32) | low;
}

std::string trimmed(const std::string& text) {
  const auto is_space = [](unsigned char c) { return std::isspace(c) != 0 || c == 0; };
  const auto first = std::find_if_not(text.begin(), text.end(), is_space);
  const auto last = std::find_if_not(text.rbegin(), text.rend(), is_space).base();
  return first < last ? std::string(first, last) : "";
}

#endif

#ifdef __linux__

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// Processors' worth of time that the control group grants, rounded up; 0 where there is no limit.
int control_group_quota() {
  const std::string line = first_line("/sys/fs/cgroup/cpu.max");  // "max 100000", "150000 100000"
  double quota = 0, period = 0;
  if (std::sscanf(line.c_str(), "%lf %lf", &quota, &period) != 2 || period <= 0) return 0;
  return static_cast<int>(std::ceil(quota / period));
}

#endif

}  // namespace

std::string cpu_model() {
#if defined(__x86_64__)
  std::string name;
  if (__get_cpuid_max(0x80000000u, nullptr) >= 0x80000004u) {
    for (unsigned leaf = 0x80000002u; leaf <= 0x80000004u; ++leaf) {
      const CpuidLeaf part = cpuid(leaf);
      for (unsigned word : {part.eax, part.ebx, part.ecx, part.edx}) {
        for (int byte = 0; byte < 4; ++byte) name += static_cast<char>(word >> (8 * byte));
      }
    }
  }
  name = trimmed(name.substr(0, name.find('\0')));
  if (!name.empty()) return name;
#endif
  return "unknown processor";
}

std::vector<std::string> cpu_instruction_sets() {
  std::vector<std::string> sets;
#if defined(__x86_64__)
  const auto bit = [](unsigned word, int index) { return ((word >> index) & 1u) != 0; };
  const CpuidLeaf basic = cpuid(1), extended = cpuid(7, 0), more = cpuid(7, 1);
  const unsigned long long saved = saved_register_sets();
  const bool saves_avx = (saved & 0x6) == 0x6;          // xmm and upper ymm
  const bool saves_avx512 = (saved & 0xe6) == 0xe6;     // masks and zmm too
  const bool saves_amx = (saved & 0x60000) == 0x60000;  // tile configuration and data
  const auto offer = [&](const char* name, bool present) {
    if (present) sets.emplace_back(name);
  };
  offer("sse4_2", bit(basic.ecx, 20));
  offer("avx", saves_avx && bit(basic.ecx, 28));
  offer("fma", saves_avx && bit(basic.ecx, 12));
  offer("f16c", saves_avx && bit(basic.ecx, 29));
  offer("avx2", saves_avx && bit(extended.ebx, 5));
  offer("avx512f", saves_avx512 && bit(extended.ebx, 16));
  offer("avx512dq", saves_avx512 && bit(extended.ebx, 17));
  offer("avx512bw", saves_avx512 && bit(extended.ebx, 30));
  offer("avx512vl", saves_avx512 && bit(extended.ebx, 31));
  offer("avx512_vnni", saves_avx512 && bit(extended.ecx, 11));
  offer("avx512_bf16", saves_avx512 && bit(more.eax, 5));
  offer("avx512_fp16", saves_avx512 && bit(extended.edx, 23));
  offer("amx_tile", saves_amx && bit(extended.edx, 24));
  offer("amx_int8", saves_amx && bit(extended.edx, 25));
  offer("amx_bf16", saves_amx && bit(extended.edx, 22));
#endif
  return sets;
}

int physical_cores() {
  int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
#ifdef __linux__
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) {
    std::set<std::string> distinct;  // each core once, named by the list of its hardware threads
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (!CPU_ISSET(cpu, &allowed)) continue;
      const std::string siblings = first_line("/sys/devices/system/cpu/cpu" + std::to_string(cpu) +
                                              "/topology/thread_siblings_list");
      distinct.insert(siblings.empty() ? "cpu" + std::to_string(cpu) : siblings);
    }
    if (!distinct.empty()) cores = static_cast<int>(distinct.size());
  }
  const int quota = control_group_quota();
  if (quota > 0) cores = std::min(cores, quota);
#endif
  return cores;
}

bool cpu_has(std::string_view instruction_set) {
  const std::vector<std::string> sets = cpu_instruction_sets();
  return std::find(sets.begin(), sets.end(), instruction_set) != sets.end();
}

bool cpu_has_bf16_matrix_units() {
  return cpu_has("avx512_bf16") || cpu_has("amx_bf16");
}

}  // namespace engine
