#include "access.h"

#include <algorithm>
#include <cstdio>
#include <set>
#include <vector>

#include "device_heap.h"
#include "shadow.h"
#include "shared_memory.h"
#include "simt/operations.h"
#include "symbols.h"
#include "worker.h"

// The check of one access: bounds to the byte, initialisation, races.
namespace engine::simt {
namespace {

constexpr std::uint16_t kNobody = 0xffff;

std::vector<std::vector<ShadowCell>> dynamic_cells;  // by block of the group
std::vector<ShadowCell> static_cells;
std::uint32_t group_serial = 0;

// One report for a pair of places, however often they meet.
enum ReportedAs { kRace, kUninitialised = 9, kHostMemory = 17, kProxyFence = 33 };
std::set<std::pair<std::uint64_t, int>> reported;
bool first_time(std::uint32_t place, std::uint32_t other_place, int kind) {
  return reported.insert({std::uint64_t{place} << 32 | other_place, kind}).second;
}

// Who makes the access, and what it knows.
struct Accessor {
  std::uint32_t thread, clock;
  const VectorClock* clocks;
  std::uint32_t group, launch;
};

struct Kind {
  bool write, atomic, reads;
};
Kind kind_of(Access access) {
  switch (access) {
    case Access::kRead:
      return {false, false, true};
    case Access::kWrite:
      return {true, false, false};
    case Access::kAtomic:
      return {true, true, true};
    default:
      return {true, true, false};
  }
}

std::string place_name(const char* p) {
  char text[512];
  if (const Fiber* fiber = current_fiber) {
    for (const Block& block : fiber->block->worker->blocks) {
      if (!block.has_dynamic(p)) continue;
      std::snprintf(text, sizeof text, "dynamic shared memory +%td", p - block.dynamic_shared);
      return text;
    }
  }
  const auto offset = static_cast<std::uintptr_t>(p - thread_local_base());
  Allocation allocation;
  if (const SharedVariable* variable = find_shared_variable(offset)) {
    std::snprintf(text, sizeof text, "__shared__ %s +%zu", variable->name.c_str(),
                  static_cast<std::size_t>(offset - variable->offset));
  } else if (find_allocation(p, allocation)) {
    std::snprintf(text, sizeof text, "global allocation of %zu bytes, offset %td", allocation.bytes,
                  p - allocation.start);
  } else {
    std::snprintf(text, sizeof text, "%p", static_cast<const void*>(p));
  }
  return text;
}

struct Earlier {
  bool write;
  std::uint32_t pc, thread, clock, group;
};

void report_race(const char* p, bool write, std::uint32_t pc, const Earlier& earlier,
                 const Accessor& accessor, bool shared) {
  if (!first_time(pc, earlier.pc, kRace + write * 2 + earlier.write)) return;
  char who[96];
  if (earlier.thread == kNobody) {
    std::snprintf(who, sizeof who, "another block (of its word the last write is by block %u)",
                  earlier.group);
  } else if (!shared && earlier.group != accessor.group) {
    std::snprintf(who, sizeof who, "block %u thread %u", earlier.group, earlier.thread);
  } else if (earlier.thread == copy_engine()) {
    std::snprintf(who, sizeof who, "an asynchronous bulk copy");
  } else {
    std::snprintf(who, sizeof who, "thread %u", earlier.thread);
  }
  report(shared ? "shared-race" : "global-race",
         "%s of %s at %s is unordered with a %s by %s at %s", write ? "write" : "read",
         place_name(p).c_str(), source_line(pc).c_str(), earlier.write ? "write" : "read", who,
         source_line(earlier.pc).c_str());
}

// Bytes that other groups wrote by threads that the cell has forgotten, the last to write excepted.
// Groups run one after the other: those that wrote before the last one are none of the accessor's.
std::uint32_t forgotten_bytes(const ShadowCell& cell, const Accessor& accessor) {
  const bool is_other = cell.write_group != accessor.group;
  return cell.earlier_bytes | (is_other ? cell.group_bytes & ~cell.write_bytes : 0u);
}

bool happens_before(const Earlier& earlier, const Accessor& accessor, bool shared) {
  if (shared || earlier.group == accessor.group) {
    return earlier.thread == accessor.thread ||
           accessor.clocks->at[earlier.thread] >= earlier.clock;
  }
  const Knowledge* known = accessor.clocks->known.get();
  return known && known->knows(earlier.group, earlier.thread, earlier.clock);
}

void find_races(const ShadowCell& cell, const char* p, std::uint32_t bytes, const Kind& kind,
                std::uint32_t pc, const Accessor& accessor, bool shared) {
  const auto check = [&](const Earlier& earlier) {
    if (happens_before(earlier, accessor, shared)) return true;
    report_race(p, kind.write, pc, earlier, accessor, shared);
    return false;
  };
  if (cell.write_bytes & bytes) {
    check({true, cell.write_pc, cell.write_thread, cell.write_clock, cell.write_group});
  }
  // One that knows of any other block may know of the one that wrote.
  if (!accessor.clocks->known && (forgotten_bytes(cell, accessor) & bytes)) {
    report_race(p, kind.write, pc, {true, cell.write_pc, kNobody, 0, cell.write_group}, accessor,
                shared);
  }
  if (!kind.atomic && (cell.atomic_bytes & bytes)) {
    check({true, cell.atomic_pc, cell.atomic_thread, cell.atomic_clock, cell.atomic_group});
  }
  if (!kind.write || !(cell.read_bytes & bytes)) return;
  if (check({false, cell.read_pc, cell.read_thread, cell.read_clock, cell.read_group}) &&
      cell.second_read_thread != kNobody) {
    check({false, cell.read_pc, cell.second_read_thread, cell.second_read_clock, cell.read_group});
  }
}

void remember(ShadowCell& cell, std::uint32_t bytes, const Kind& kind, std::uint32_t pc,
              const Accessor& by, bool shared) {
  const auto thread = static_cast<std::uint16_t>(by.thread);
  const auto mask = static_cast<std::uint8_t>(bytes & 15);
  if (kind.write) cell.initialised |= mask;
  if (kind.atomic) {
    cell.atomic_bytes |= mask;
    cell.atomic_thread = thread;
    cell.atomic_clock = by.clock;
    cell.atomic_group = by.group;
    cell.atomic_pc = pc;
  } else if (kind.write) {
    const bool same = cell.write_thread == thread && cell.write_group == by.group;
    cell.write_bytes = static_cast<std::uint8_t>((same ? cell.write_bytes : 0) | mask) & 15;
    if (cell.write_group != by.group) {
      cell.earlier_bytes |= cell.group_bytes;
      cell.group_bytes = 0;
    }
    cell.group_bytes |= mask;
    cell.write_thread = thread;
    cell.write_clock = by.clock;
    cell.write_group = by.group;
    cell.write_pc = pc;
    cell.read_bytes = static_cast<std::uint8_t>(cell.read_bytes & ~mask) & 15;
    cell.second_read_thread = kNobody;
  } else {
    if (cell.read_bytes && cell.read_thread != thread && (shared || cell.read_group == by.group)) {
      cell.second_read_thread = cell.read_thread;
      cell.second_read_clock = cell.read_clock;
    }
    cell.read_bytes |= mask;
    cell.read_thread = thread;
    cell.read_clock = by.clock;
    cell.read_group = by.group;
    cell.read_pc = pc;
  }
}

void check_cells(ShadowCell* cells, std::uintptr_t offset, const char* p, std::size_t bytes,
                 const Kind& kind, std::uint32_t pc, const Accessor& accessor, bool shared) {
  const std::uint32_t serial = shared ? group_serial : accessor.launch;
  while (bytes) {
    const std::uint32_t start = offset & 3;
    const auto count = static_cast<std::uint32_t>(std::min<std::size_t>(4 - start, bytes));
    const std::uint32_t mask = ((1u << count) - 1) << start;
    ShadowCell& cell = cells[offset >> 2];
    if (cell.serial != serial) {
      if (shared) cell.initialised = 0;
      cell.serial = serial;
      cell.write_bytes = cell.read_bytes = cell.atomic_bytes = 0;
      cell.group_bytes = cell.earlier_bytes = 0;
      cell.second_read_thread = kNobody;
    }
    find_races(cell, p, mask, kind, pc, accessor, shared);
    if (kind.reads && (cell.initialised & mask) != mask && first_time(pc, 0, kUninitialised)) {
      report("uninitialised", "read of %s at %s: never written", place_name(p).c_str(),
             source_line(pc).c_str());
    }
    remember(cell, mask, kind, pc, accessor, shared);
    offset += count;
    p += count;
    bytes -= count;
  }
}

template <class Container>
bool lies_in(const char* p, const Container& container) {
  const auto* low = reinterpret_cast<const char*>(container.data());
  return p >= low && p < low + container.size() * sizeof(*container.data());
}

// Emulator headers compiled into kernels read these.
bool is_emulator_memory(const Worker& worker, const char* p) {
  const auto within = [p](const auto* object) {
    const auto* low = reinterpret_cast<const char*>(object);
    return p >= low && p < low + sizeof *object;
  };
  if (within(&worker) || within(worker.launch) || lies_in(p, worker.blocks)) return true;
  return std::any_of(worker.blocks.begin(), worker.blocks.end(), [p](const Block& block) {
    return lies_in(p, block.fibers) || lies_in(p, block.warps);
  });
}

void check_global(const char* p, std::size_t bytes, const Kind& kind, std::uint32_t pc,
                  const Accessor& accessor) {
  const char* const what = kind.write ? "write" : "read";
  Allocation allocation;
  if (!find_allocation(p, allocation)) {
    fail("out-of-bounds", "%s of unallocated device memory at %s", what, source_line(pc).c_str());
  }
  const std::ptrdiff_t offset = p - allocation.start;
  if (!allocation.live) {
    fail("use-after-free", "%s at %s of freed memory, %td bytes into %zu", what,
         source_line(pc).c_str(), offset, allocation.bytes);
  }
  if (offset < 0 || offset + bytes > allocation.bytes) {
    fail("out-of-bounds", "%s of %zu bytes at %s, at offset %td of a %zu-byte allocation", what,
         bytes, source_line(pc).c_str(), offset, allocation.bytes);
  }
  check_cells(device_shadow(), device_heap_offset(p), p, bytes, kind, pc, accessor, false);
}

void check_static_shared(const Worker& worker, std::uintptr_t offset, const char* p,
                         std::size_t bytes, const Kind& kind, std::uint32_t pc,
                         const Accessor& accessor) {
  const SharedVariable* variable = find_shared_variable(offset);
  if (!variable && is_static_guard(offset)) return;
  if (!variable || offset + bytes > variable->offset + variable->bytes) {
    fail("out-of-bounds", "%s of %zu bytes at %s past the end of a __shared__ array%s%s",
         kind.write ? "write" : "read", bytes, source_line(pc).c_str(), variable ? " " : "",
         variable ? variable->name.c_str() : "");
  }
  if (worker.blocks.size() > 1) {
    fail("unsupported",
         "static __shared__ %s in a cluster or cooperative launch: use dynamic shared memory",
         variable->name.c_str());
  }
  check_cells(static_cells.data(), offset - static_shared_range().low, p, bytes, kind, pc, accessor,
              true);
}

void check_any(const Fiber* fiber, const char* p, std::size_t bytes, const Kind& kind,
               std::uint32_t pc, const Accessor& accessor) {
  Worker& worker = *fiber->block->worker;
  const char* const what = kind.write ? "write" : "read";
  for (std::size_t i = 0; i < worker.blocks.size(); i++) {
    const Block& block = worker.blocks[i];
    if (p < block.slot_low || p >= block.slot_high) continue;
    const std::ptrdiff_t offset = p - block.dynamic_shared;
    if (offset < 0 || offset + bytes > block.dynamic_shared_bytes) {
      fail("out-of-bounds",
           "%s of %zu bytes at %s, at offset %td of %u bytes of dynamic shared memory", what, bytes,
           source_line(pc).c_str(), offset, block.dynamic_shared_bytes);
    }
    check_cells(dynamic_cells[i].data(), offset, p, bytes, kind, pc, accessor, true);
    return;
  }
  if (in_device_heap(p)) {
    check_global(p, bytes, kind, pc, accessor);
    return;
  }
  const auto offset = static_cast<std::uintptr_t>(p - thread_local_base());
  if (static_shared_range().contains(offset)) {
    check_static_shared(worker, offset, p, bytes, kind, pc, accessor);
    return;
  }
  if (image().contains(p)) return;  // __constant__ and __device__ variables, literals
  if (is_emulator_memory(worker, p)) return;
  if (worker.is_on_a_stack(p)) {
    fail("local-memory", "%s of another thread's local variable at %s", what,
         source_line(pc).c_str());
  }
  // Other thread-local variables: threadIdx, the current fiber.
  constexpr std::uintptr_t kThreadLocalBytes = 1 << 20, kThreadControlBytes = 1 << 16;
  if (offset < kThreadLocalBytes || std::uintptr_t{0} - offset < kThreadControlBytes) return;
  if (first_time(pc, 0, kHostMemory)) {
    report("host-memory", "%s of %zu bytes of host memory %p at %s", what, bytes,
           static_cast<const void*>(p), source_line(pc).c_str());
  }
}

Accessor accessor_of(const Fiber* fiber) {
  const Block& block = *fiber->block;
  return {fiber->group_index, fiber->clock, fiber->clocks, block.linear - block.rank,
          block.worker->launch->serial};
}

}  // namespace

std::string access_source_line(const void* pc) {
  return source_line(relative_pc(pc));
}

void check_current(const void* p, std::size_t bytes, Access access, const void* pc) {
  const Fiber* const fiber = current_fiber;
  const char* const address = static_cast<const char*>(p);
  if (!fiber || (address >= fiber->stack_low && address < fiber->stack_high)) return;
  check_any(fiber, address, bytes, kind_of(access), relative_pc(pc), accessor_of(fiber));
}

void check_access(const void* p, std::size_t bytes, Access access, const void* pc, Fiber* as) {
  Fiber* const running = current_fiber;
  if (as) current_fiber = as;
  check_current(p, bytes, access, pc);
  current_fiber = running;
}

void check_copy_engine(Block* block, const VectorClock* clocks, const void* p, std::size_t bytes,
                       bool write, const void* pc) {
  const Accessor accessor{copy_engine(), copy_engine_clock(), clocks, block->linear - block->rank,
                          block->worker->launch->serial};
  check_any(&block->fibers[0], static_cast<const char*>(p), bytes,
            kind_of(write ? Access::kWrite : Access::kRead), relative_pc(pc), accessor);
}

void check_proxy_fence(Block* block, const void* p, std::size_t bytes, Location where) {
  const char* const address = static_cast<const char*>(p);
  if (!block->has_dynamic(address)) return;
  auto& blocks = block->worker->blocks;
  const std::size_t offset = address - block->dynamic_shared;
  for (std::size_t i = offset / 4; i <= (offset + bytes - 1) / 4; i++) {
    const ShadowCell& cell = dynamic_cells[block - blocks.data()][i];
    if (cell.serial != group_serial || !cell.write_bytes || cell.write_thread == copy_engine()) {
      continue;
    }
    const Fiber& writer =
        blocks[cell.write_thread / block->threads].fibers[cell.write_thread % block->threads];
    if (writer.proxy_fence_clock > cell.write_clock ||
        !first_time(static_cast<std::uint32_t>(where.line), cell.write_pc, kProxyFence)) {
      continue;
    }
    report("proxy-fence",
           "asynchronous-proxy read at %s:%d of shared memory written by an ordinary store of "
           "thread %u at %s with no fence.proxy.async since",
           file_name(where.file), where.line, cell.write_thread,
           source_line(cell.write_pc).c_str());
  }
}

void start_shadow(Worker& worker) {
  group_serial++;
  const std::size_t count = worker.blocks.size();
  if (dynamic_cells.size() < count) dynamic_cells.resize(count);
  for (std::size_t i = 0; i < count; i++) {
    const std::size_t needed = worker.blocks[i].dynamic_shared_bytes / 4 + 1;
    if (dynamic_cells[i].size() < needed) dynamic_cells[i].resize(needed);
  }
  const SharedRange& range = static_shared_range();
  if (static_cells.empty()) static_cells.resize((range.high - range.low) / 4 + 2);
}

void mark_uninitialised(const void* shared, std::size_t bytes) {
  const char* const p = static_cast<const char*>(shared);
  const auto& blocks = current_fiber->block->worker->blocks;
  for (std::size_t i = 0; i < blocks.size(); i++) {
    if (!blocks[i].has_dynamic(p)) continue;
    const std::size_t offset = p - blocks[i].dynamic_shared;
    for (std::size_t k = offset / 4; k < (offset + bytes + 3) / 4; k++) {
      dynamic_cells[i][k].initialised = 0;
    }
    return;
  }
  const auto offset = static_cast<std::uintptr_t>(p - thread_local_base());
  const SharedRange& range = static_shared_range();
  if (!range.contains(offset)) return;
  for (std::size_t k = (offset - range.low) / 4; k < (offset - range.low + bytes + 3) / 4; k++) {
    static_cells[k].initialised = 0;
  }
}

void mark_initialised(const void* p, std::size_t bytes) {
  if (!access_checks) return;
  ShadowCell* const cells = device_shadow();
  std::uintptr_t offset = device_heap_offset(p);
  while (bytes) {
    const std::uint32_t start = offset & 3;
    const auto count = static_cast<std::uint32_t>(std::min<std::size_t>(4 - start, bytes));
    cells[offset >> 2].initialised |= static_cast<std::uint8_t>(((1u << count) - 1) << start) & 15;
    offset += count;
    bytes -= count;
  }
}

void forget_reported_places() {
  reported.clear();
}

}  // namespace engine::simt
