#include <cstring>
#include <vector>

#include "clocks.h"
#include "ptx_mbarrier.h"
#include "shadow.h"
#include "simt/ptx_operations.h"
#include "tensor_map.h"
#include "worker.h"

// Tensor copies: loads run as asynchronous operations of the worker, stores when they are waited
// for.
namespace engine::simt {

std::uint32_t swizzle(std::uint32_t address, int swizzle_bytes) {
  switch (swizzle_bytes) {
    case 128:
      return address ^ (address >> 7 & 7) << 4;
    case 64:
      return address ^ (address >> 7 & 3) << 4;
    case 32:
      return address ^ (address >> 7 & 1) << 4;
    default:
      return address;
  }
}

namespace {

// The address within the own block's window, whatever block it names.
constexpr std::uint32_t kOwnBlock = 0xffffff;

using Coordinates = std::vector<int>;

// Calls piece(offset in the box, global address or null outside of the tensor, bytes) for pieces of
// at most 16 bytes.
template <class Piece>
void for_each_piece(const TensorMap& map, const Coordinates& at, Piece piece) {
  std::uint32_t count[5] = {1, 1, 1, 1, 1};
  std::uint32_t rows = 1;
  for (int i = 0; i < map.rank; i++) count[i] = map.box[i];
  for (int i = 1; i < 5; i++) rows *= count[i];
  const std::uint32_t es = map.element_bytes, row_bytes = count[0] * es;
  const auto width = static_cast<std::int64_t>(map.sizes[0]);
  for (std::uint32_t row = 0; row < rows; row++) {
    bool inside = true;
    char* global = map.base;
    std::uint32_t rest = row;
    for (int i = 1; i < map.rank; i++) {
      const std::int64_t x = std::int64_t{at[i]} + rest % count[i];
      rest /= count[i];
      inside = inside && x >= 0 && static_cast<std::uint64_t>(x) < map.sizes[i];
      global += x * static_cast<std::int64_t>(map.strides[i - 1]);
    }
    for (std::uint32_t offset = 0; offset < row_bytes; offset += 16) {
      const std::int64_t x = std::int64_t{at[0]} + offset / es;
      const std::int64_t end = x + 16 / es;
      if (inside && x >= 0 && end <= width) {
        piece(row * row_bytes + offset, global + x * es, 16u);
        continue;
      }
      for (std::int64_t e = x; e < end; e++) {
        const bool exists = inside && e >= 0 && e < width;
        piece(row * row_bytes + offset + static_cast<std::uint32_t>(e - x) * es,
              exists ? global + e * es : nullptr, es);
      }
    }
  }
}

// NaN of the element's type where the map asks for it, else zero.
void fill_outside(const TensorMap& map, char* to, std::uint32_t bytes) {
  std::memset(to, map.fills_nan ? 0xff : 0, bytes);
}

struct Load {
  TensorMap map;
  Coordinates at;
  std::uint32_t destination;
  Block* target;
  std::uint64_t* barrier;
  VectorClock* clocks;
  const void* pc;

  void perform() {
    for_each_piece(map, at, [&](std::uint32_t offset, const char* global, std::uint32_t bytes) {
      const std::uint32_t address = swizzle(destination + offset, map.swizzle_bytes);
      char* const to = static_cast<char*>(shared_pointer(address, target));
      if (access_checks) {
        check_copy_engine(target, clocks, to, bytes, true, pc);
        if (global) check_copy_engine(target, clocks, global, bytes, false, pc);
      }
      if (global) {
        std::memcpy(to, global, bytes);
      } else {
        fill_outside(map, to, bytes);
      }
    });
    if (access_checks) {
      finish_copy(clocks);
      join(mbarrier_clocks(barrier).arrived, clocks);
      drop(clocks);
    }
    mbarrier_complete_bytes(*target->worker, barrier, map.box_bytes());
  }
};

}  // namespace

void tma_load(std::uint32_t destination, const CUtensorMap* given, std::uint32_t barrier,
              const int* coordinates, int rank, std::uint32_t blocks, Location where) {
  Fiber* const fiber = current_fiber;
  Block* const own = fiber->block;
  Worker& worker = *own->worker;
  const TensorMap map = tensor_map(given, rank, where);
  // Swizzle patterns repeat after 8 rows; a box that starts elsewhere would be read wrongly.
  const std::uint32_t alignment = 128;
  if (destination % alignment) {
    fail("tma", "destination 0x%x is not %u-byte aligned at %s:%d", destination, alignment,
         file_name(where.file), where.line);
  }
  const std::uint32_t bytes = map.box_bytes(), to = destination & kOwnBlock;
  VectorClock* taken = access_checks ? snapshot(fiber) : nullptr;
  const std::uint32_t targets = blocks ? blocks : 1u << own->rank;
  for (std::uint32_t rank_of_target = 0; rank_of_target < 32; rank_of_target++) {
    if (!(targets >> rank_of_target & 1)) continue;
    if (rank_of_target >= worker.blocks.size()) {
      fail("tma", "multicast to block %u of a cluster of %zu at %s:%d", rank_of_target,
           worker.blocks.size(), file_name(where.file), where.line);
    }
    Block* const target = &worker.blocks[rank_of_target];
    char* const first = static_cast<char*>(shared_pointer(to, target));
    const bool is_dynamic = first >= target->slot_low && first < target->slot_high;
    if (is_dynamic && first + bytes > target->dynamic_shared + target->dynamic_shared_bytes) {
      fail("out-of-bounds",
           "TMA box of %u bytes at +%td leaves %u bytes of dynamic shared memory, at %s:%d", bytes,
           first - target->dynamic_shared, target->dynamic_shared_bytes, file_name(where.file),
           where.line);
    }
    std::uint64_t* const signalled = blocks ? mbarrier_pointer(barrier & kOwnBlock, target, where)
                                            : mbarrier_pointer(barrier, own, where);
    check_mbarrier(signalled, where);
    check_mbarrier_fence(signalled, where);
    VectorClock* clocks = nullptr;
    join(clocks, taken);
    // In flight: reading it now gives NaN. The check build sees such a read without it.
    if (!access_checks) std::memset(first, 0xff, bytes);
    Load load{map,
              Coordinates(coordinates, coordinates + rank),
              to,
              target,
              signalled,
              clocks,
              __builtin_return_address(0)};
    worker.async.push_back({[load]() mutable { load.perform(); }});
  }
  drop(taken);
}

void tma_store(const CUtensorMap* given, std::uint32_t source, const int* coordinates, int rank,
               Location where) {
  Fiber* const fiber = current_fiber;
  const TensorMap map = tensor_map(given, rank, where);
  if (source % 128) {
    fail("tma", "source 0x%x is not 128-byte aligned at %s:%d", source, file_name(where.file),
         where.line);
  }
  const Coordinates at(coordinates, coordinates + rank);
  const void* const pc = __builtin_return_address(0);
  const auto perform = [=] {
    for_each_piece(map, at, [&](std::uint32_t offset, char* global, std::uint32_t bytes) {
      if (!global) return;
      const std::uint32_t address = swizzle((source & kOwnBlock) + offset, map.swizzle_bytes);
      const char* const from = static_cast<char*>(shared_pointer(address, fiber->block));
      if (access_checks) {
        check_access(from, bytes, Access::kRead, pc);
        check_proxy_fence(fiber->block, from, bytes, where);
        check_access(global, bytes, Access::kWrite, pc);
      }
      std::memcpy(global, from, bytes);
    });
  };
  fiber->bulk_stores.emplace_back(fiber->bulk_group, perform);
}

void bulk_commit() {
  current_fiber->bulk_group++;
}

void bulk_wait(std::uint32_t pending) {
  Fiber* const fiber = current_fiber;
  auto& stores = fiber->bulk_stores;
  while (!stores.empty() && stores.front().first + pending < fiber->bulk_group) {
    stores.front().second();
    stores.erase(stores.begin());
  }
}

}  // namespace engine::simt
