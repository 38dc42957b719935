#include "device_heap.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>
#include <vector>

#include <sys/mman.h>

#include "shadow.h"
#include "simt/control.h"
#include "simt/fiber.h"

namespace engine::simt {
namespace {

constexpr std::size_t kPage = 4096, kAlignment = 256;
constexpr int kPoison = 0xff;

struct Heap {
  char *low, *next;
  std::vector<std::uint32_t> page_owner = std::vector<std::uint32_t>(kDeviceHeapBytes / kPage);
  std::vector<Allocation> allocations{Allocation{}};  // 0: nobody
  std::set<std::uint32_t> live;
  std::map<int, DeviceBytes> bytes_of;

  Heap() {
    void* p = mmap(nullptr, kDeviceHeapBytes, PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) std::abort();
    low = next = static_cast<char*>(p);
  }
};
Heap& heap() {
  static Heap* const only = new Heap;  // outlives every static buffer
  return *only;
}

std::size_t padded(std::size_t bytes) {
  return (std::max<std::size_t>(bytes, 1) + kAlignment - 1) / kAlignment * kAlignment;
}
std::size_t pages(std::size_t bytes) {
  return (padded(bytes) + kPage - 1) / kPage;
}

char* first_page(const Allocation& allocation) {
  return allocation.start + padded(allocation.bytes) - pages(allocation.bytes) * kPage;
}

void check_canary(const Allocation& allocation) {
  char* const end = allocation.start + padded(allocation.bytes);
  for (char* p = allocation.start + allocation.bytes; p < end; p++) {
    if (static_cast<unsigned char>(*p) == kPoison) continue;
    report("out-of-bounds", "bytes after a %zu-byte allocation were overwritten (offset %td)",
           allocation.bytes, p - allocation.start);
    std::memset(p, kPoison, end - p);
    return;
  }
}

}  // namespace

bool in_device_heap(const void* p) {
  const char* const address = static_cast<const char*>(p);
  return address >= heap().low && address < heap().low + kDeviceHeapBytes;
}

std::size_t device_heap_offset(const void* p) {
  return static_cast<const char*>(p) - heap().low;
}

bool find_allocation(const void* p, Allocation& found) {
  if (!in_device_heap(p)) return false;
  const auto& owner = heap().page_owner;
  const std::size_t page = device_heap_offset(p) / kPage;
  std::uint32_t id = owner[page];
  if (!id && page > 0) id = owner[page - 1];                 // the guard page behind it
  if (!id && page + 1 < owner.size()) id = owner[page + 1];  // the guard page before it
  if (!id) return false;
  found = heap().allocations[id];
  return true;
}

void* heap_allocate(std::size_t bytes, int device) {
  Heap& h = heap();
  const std::size_t count = pages(bytes), mapped = count * kPage;
  if (mapped > kDeviceHeapBytes) return nullptr;
  char* const base = h.next + kPage;
  if (base + mapped + kPage > h.low + kDeviceHeapBytes) return nullptr;
  if (mprotect(base, mapped, PROT_READ | PROT_WRITE) != 0) return nullptr;
  h.next = base + mapped;
  std::memset(base, kPoison, mapped);
  char* const start = base + mapped - padded(bytes);
  const auto id = static_cast<std::uint32_t>(h.allocations.size());
  h.allocations.push_back({start, bytes, true, device});
  h.live.insert(id);
  std::fill_n(h.page_owner.begin() + (base - h.low) / kPage, count, id);
  DeviceBytes& total = h.bytes_of[device];
  total.live += bytes;
  total.peak = std::max(total.peak, total.live);
  return start;
}

bool heap_free(void* p) {
  Heap& h = heap();
  if (!in_device_heap(p)) return false;
  const std::uint32_t id = h.page_owner[device_heap_offset(p) / kPage];
  Allocation& allocation = h.allocations[id];
  if (!id || allocation.start != p || !allocation.live) return false;
  check_canary(allocation);
  allocation.live = false;
  h.live.erase(id);
  h.bytes_of[allocation.device].live -= allocation.bytes;
  const std::size_t mapped = pages(allocation.bytes) * kPage;
  char* const base = first_page(allocation);
  mprotect(base, mapped, PROT_NONE);
  madvise(base, mapped, MADV_DONTNEED);
  return true;
}

void close_memory_of_others(int device) {
  for (std::uint32_t id : heap().live) {
    const Allocation& allocation = heap().allocations[id];
    if (allocation.device == device) continue;
    mprotect(first_page(allocation), pages(allocation.bytes) * kPage, PROT_NONE);
  }
}

void open_all_memory() {
  for (std::uint32_t id : heap().live) {
    const Allocation& allocation = heap().allocations[id];
    mprotect(first_page(allocation), pages(allocation.bytes) * kPage, PROT_READ | PROT_WRITE);
  }
}

void check_canaries() {
  for (std::uint32_t id : heap().live) check_canary(heap().allocations[id]);
}

std::size_t live_device_bytes() {
  std::size_t bytes = 0;
  for (const auto& [device, of_device] : heap().bytes_of) bytes += of_device.live;
  return bytes;
}
DeviceBytes device_bytes(int device) {
  return heap().bytes_of[device];
}

ShadowCell* device_shadow() {
  static ShadowCell* const cells = [] {
    // Only touched pages take memory; fails where overcommit is forbidden.
    void* p = mmap(nullptr, kDeviceHeapBytes / 4 * sizeof(ShadowCell), PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
      report("memory", "cannot map shadow memory: the check build needs overcommit");
      std::abort();
    }
    return static_cast<ShadowCell*>(p);
  }();
  return cells;
}

}  // namespace engine::simt
