#pragma once

#include <cstddef>
#include <cstdint>

// Emulated device memory: every allocation ends at a guard page (256-byte aligned), is filled with
// NaN, and its addresses are never used again, so that a use after free faults.
namespace engine::simt {

struct Allocation {
  char* start = nullptr;
  std::size_t bytes = 0;
  bool live = false;
  int device = 0;
};

// Null when the 16 GiB of address space, which all devices share, are used up.
void* heap_allocate(std::size_t bytes, int device);
bool heap_free(void* p);  // false: not the start of a live allocation

struct DeviceBytes {
  std::size_t live = 0, peak = 0;
};
DeviceBytes device_bytes(int device);

bool in_device_heap(const void* p);
std::size_t device_heap_offset(const void* p);
constexpr std::size_t kDeviceHeapBytes = std::size_t{16} << 30;

// The allocation that p lies in, or whose guard pages it lies in.
bool find_allocation(const void* p, Allocation& found);

// While a kernel runs, accesses to what is on other devices fault.
void close_memory_of_others(int device);
void open_all_memory();

// Reports writes between the ends of allocations and their guard pages.
void check_canaries();

}  // namespace engine::simt
