#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include <vector_types.h>

// The state of one emulated thread, warp and block. Device builtins read it, so kernels see it too.
namespace engine::simt {

struct Warp;
struct Block;
struct Worker;
struct VectorClock;

#define ENGINE_SIMT_UNCHECKED __attribute__((no_sanitize("thread")))
#define ENGINE_SIMT_DEVICE static inline ENGINE_SIMT_UNCHECKED

// The place of a call in a kernel: `Location where = Location::here()` as last parameter.
struct Location {
  const char* file;
  int line;
  ENGINE_SIMT_UNCHECKED static constexpr Location here(const char* file = __builtin_FILE(),
                                                       int line = __builtin_LINE()) {
    return {file, line};
  }
  bool operator==(const Location& other) const { return line == other.line && file == other.file; }
};

enum class Wait : std::uint8_t { kNothing, kWarp, kBarrier, kMbarrier, kCluster, kWgmma, kExited };

enum class Collective : std::uint32_t {
  kNone,
  kSync,
  kShuffle,
  kVote,
  kReduce,
  kMatch,
  kMma,
  kLdmatrix,
  kStmatrix,
  kElect
};

// One cp.async of one thread, performed when the thread waits for it.
struct CpAsync {
  void* destination;
  const void* source;
  std::uint16_t bytes, source_bytes;
  std::uint32_t group;
};

enum class WgmmaType : std::uint8_t { kBf16, kF16, kTf32 };

// One wgmma.mma_async of one thread, performed when its warpgroup waits for it.
struct WgmmaOperation {
  std::uint64_t a, b;  // shared memory descriptors; `a` is unused when A comes from registers
  float* d;
  std::uint16_t n;
  bool accumulate, transpose_a, transpose_b, a_in_registers;
  WgmmaType type;
  std::uint32_t a_registers[4];
  std::uint32_t group;
  Location where;
  int saved;  // index into Fiber::saved_accumulators at issue; -1 when chained to an earlier one

  // What the 128 threads of a warpgroup must agree on.
  bool same_instruction(const WgmmaOperation& other) const {
    return a == other.a && b == other.b && n == other.n && accumulate == other.accumulate &&
           transpose_a == other.transpose_a && transpose_b == other.transpose_b &&
           a_in_registers == other.a_in_registers && type == other.type && group == other.group;
  }
};

// One CUDA thread.
struct Fiber {
  void* stack_pointer = nullptr;
  char *stack_low = nullptr, *stack_high = nullptr;
  uint3 thread{};
  std::uint32_t index = 0;        // linear, in the block
  std::uint32_t group_index = 0;  // linear, over the blocks that run together
  std::uint32_t lane = 0;
  Warp* warp = nullptr;
  Block* block = nullptr;

  Wait wait = Wait::kNothing;
  Location where{nullptr, 0};  // of what it waits for
  std::uint64_t key = 0;  // mbarrier address and parity, or the generation of the cluster barrier
  std::uint32_t barrier = 0;
  Collective collective = Collective::kNone;
  std::uint32_t mask = 0;
  void* argument = nullptr;

  std::vector<CpAsync> copies;
  std::uint32_t copy_group = 0;
  std::vector<WgmmaOperation> wgmmas;
  std::vector<std::vector<float>> saved_accumulators;
  std::uint32_t wgmma_group = 0;
  // Accumulators in flight, with their last group, as this thread's own waits tell.
  std::vector<std::pair<const float*, std::uint32_t>> wgmma_chains;
  bool is_wgmma_fenced = false;  // since it could last touch accumulators
  std::vector<std::pair<std::uint32_t, std::function<void()>>> bulk_stores;  // by group
  std::uint32_t bulk_group = 0;
  std::uint32_t waits = 0;  // for mbarriers, since its warp last met

  // Happens-before state of the check build.
  VectorClock* clocks = nullptr;
  std::uint32_t clock = 1;
  std::uint32_t proxy_fence_clock = 0, mbarrier_fence_clock = 0;
};

struct Warp {
  std::uint32_t ready = 0, alive = 0, waiting = 0;  // lane masks; waiting: in a collective
  std::uint32_t index = 0;
  Fiber* lanes = nullptr;
  Block* block = nullptr;
};

struct Barrier {
  std::uint32_t arrived = 0, expected = 0;
  Location where{nullptr, 0};
  std::vector<Fiber*> waiters;
  VectorClock* released = nullptr;
};

// A wgmma is one operation of four warps: a group can complete once all 128 threads committed it.
struct Warpgroup {
  std::vector<std::uint32_t> committed;       // threads, by group
  std::uint32_t complete = 0, performed = 0;  // groups below these
  std::vector<std::pair<Fiber*, std::uint32_t>> waiters;
  VectorClock *commit_clocks = nullptr, *performed_clocks = nullptr;
};

struct Block {
  uint3 index{};
  std::uint32_t linear = 0;
  std::uint32_t rank = 0;  // in its cluster
  std::uint32_t threads = 0, alive = 0;
  std::uint32_t ready_warps = 0;
  std::vector<Warp> warps;
  std::vector<Fiber> fibers;
  Barrier barriers[16];
  std::vector<Warpgroup> warpgroups;
  char* dynamic_shared = nullptr;
  std::uint32_t dynamic_shared_bytes = 0;
  char *slot_low = nullptr, *slot_high = nullptr;  // the mapping that holds dynamic shared memory
  Worker* worker = nullptr;

  bool has_dynamic(const char* p) const {
    return p >= dynamic_shared && p < dynamic_shared + dynamic_shared_bytes;
  }
};

// initial-exec: kernels read it with one instruction.
extern constinit thread_local Fiber* current_fiber __attribute__((tls_model("initial-exec")));

// True while kernels with access checks are linked in.
extern bool access_checks;

// Records a mistake. fail() also ends the launch.
void report(const char* kind, const char* format, ...) __attribute__((format(printf, 2, 3)));
[[noreturn]] void fail(const char* kind, const char* format, ...)
    __attribute__((format(printf, 2, 3)));

// "conv.cu:83"
const char* file_name(const char* path);

}  // namespace engine::simt
