#pragma once

#include <cstddef>
#include <cstdint>

#include "clocks.h"
#include "simt/fiber.h"

// Shadow memory of the check build: who touched each four bytes of shared and global memory last.
namespace engine::simt {

struct ShadowCell {
  std::uint32_t serial;  // group of blocks (shared memory) or launch (global memory) of the entries
  std::uint32_t write_clock, read_clock, second_read_clock, atomic_clock;
  std::uint32_t write_pc, read_pc, atomic_pc;           // relative to the executable
  std::uint32_t write_group, read_group, atomic_group;  // of blocks, by the first one
  std::uint16_t write_thread, read_thread, second_read_thread, atomic_thread;
  std::uint8_t write_bytes : 4, read_bytes : 4, initialised : 4, atomic_bytes : 4;  // masks
  // What any thread of write_group wrote, and what groups before it did.
  std::uint8_t group_bytes : 4, earlier_bytes : 4;
};

void start_shadow(Worker& worker);

// Accesses by the asynchronous copy engine on behalf of `block`, ordered after `clocks`.
void check_copy_engine(Block* block, const VectorClock* clocks, const void* p, std::size_t bytes,
                       bool write, const void* pc);
// The asynchronous proxy reads what ordinary stores wrote: their threads must have fenced since.
void check_proxy_fence(Block* block, const void* p, std::size_t bytes, Location where);

// Shared memory whose content is in flight.
void mark_uninitialised(const void* shared, std::size_t bytes);
// Device memory that the host (or a copy) wrote.
void mark_initialised(const void* p, std::size_t bytes);

ShadowCell* device_shadow();  // one cell for each four bytes of the device heap
void forget_reported_places();

}  // namespace engine::simt
