#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

// What a test sets and reads: schedules, reports, counters. Host code only.
namespace engine::simt {

// The order in which threads, blocks and graph nodes that could run do run.
enum class Schedule { kOrdered, kReverse, kRandom };

struct Config {
  Schedule schedule = Schedule::kOrdered;
  std::uint64_t seed = 1;
  int workers = 1;           // OS threads that run blocks (fast build; ENGINE_SIMT_WORKERS)
  bool lazy_streams = true;  // stream work waits until a synchronisation needs it
  int hang_seconds = 60;  // a thread that runs so long without a synchronisation point is stopped
  bool quiet = false;     // reports are only recorded, not printed (ENGINE_SIMT_QUIET)
};
Config& config();

// True where the kernels were compiled with access checks.
bool is_check_build();

// One mistake. `kind` is one word ("shared-race", "out-of-bounds", "deadlock", ...); `text` names
// file:line, variable, block and thread.
struct Report {
  std::string kind;
  std::string text;
};
const std::vector<Report>& reports();

// Forgets reports, the sticky CUDA error, work that waits in streams, and counters.
void reset();

// What the emulated runtime has done since reset().
struct Counters {
  std::uint64_t launches = 0;  // kernels, those inside of graphs included
  std::uint64_t graph_launches = 0;
  std::uint64_t allocations = 0;
  std::uint64_t synchronisations = 0;
  std::uint64_t null_stream_operations = 0;
  std::uint64_t ldmatrix_phases = 0;     // eight rows each
  std::uint64_t ldmatrix_conflicts = 0;  // rows that met another row in their bank
};
Counters& counters();

// Demangled names of all kernels launched by this process, template arguments included.
const std::set<std::string>& launched_kernels();

// The same names of all kernels in this program: functions of kernel files that end in _kernel. A
// last test compares the two, so that no kernel goes untested.
const std::set<std::string>& linked_kernels();

// Bytes of device memory that are allocated now.
std::size_t live_device_bytes();

}  // namespace engine::simt
