#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
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

// The machine that the runtime claims to be on.
struct Machine {
  int gpus = 1;              // all alike; memory, streams, events, pools and graphs belong to one
  int major = 9, minor = 0;  // compute capability
  int driver_version = -1;   // of CUDA: 12040 is 12.4; 0: no driver; -1: the toolkit's own
  std::size_t memory_bytes = std::size_t{16} << 30;  // of the GPU, at most these 16 GiB
};
Machine& machine();

// Devices on which this process has made a context, which takes hundreds of megabytes of a real
// one.
const std::set<int>& devices_with_context();

// The next `calls` calls of this function of the runtime, after `after` good ones, return `error`
// (a cudaError_t) and do nothing. Of cudaMalloc, cudaMallocAsync, cudaMallocFromPoolAsync,
// cudaMemPoolCreate, cudaInitDevice, cudaGetDeviceCount, cudaLaunchKernelEx,
// cudaStreamCreateWithFlags, and those of capture and graphs.
void fail_calls(std::string_view function, int error, int calls = 1, int after = 0);

// Forgets reports, the sticky CUDA error, work that waits in streams, counters, the machine and
// planned failures.
void reset();

// What the emulated runtime has done since reset().
struct Counters {
  std::uint64_t launches = 0;  // kernels, those inside of graphs included
  std::uint64_t graph_launches = 0;
  std::uint64_t allocations = 0;
  std::uint64_t synchronisations = 0;
  // Kernels, copies, graphs given to a stream (those captured are not); null: the default stream.
  std::map<const void*, std::uint64_t> operations;
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
