// Replaces malloc and operator new of the whole test binary; a call costs one more test of a flag.
#include "tests/support/count_allocations.h"

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>

#include <dlfcn.h>

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define ENGINE_COUNTS_ALLOCATIONS 1
#else
#define ENGINE_COUNTS_ALLOCATIONS 0
#endif

namespace {

std::atomic<bool> is_counting{false};
std::atomic<std::int64_t> calls{0}, onednn_calls{0}, onednn_largest{0};

[[maybe_unused]] void count(std::size_t bytes, const void* caller) {
  if (!is_counting.load(std::memory_order_relaxed)) return;
  Dl_info info{};
  const bool is_onednn = dladdr(caller, &info) != 0 && info.dli_fname != nullptr &&
                         std::strstr(info.dli_fname, "libdnnl") != nullptr;
  if (!is_onednn) {
    ++calls;
    return;
  }
  ++onednn_calls;
  std::int64_t largest = onednn_largest;
  while (static_cast<std::int64_t>(bytes) > largest &&
         !onednn_largest.compare_exchange_weak(largest, static_cast<std::int64_t>(bytes))) {
  }
}

}  // namespace

namespace engine {

bool can_count_allocations() {
  return ENGINE_COUNTS_ALLOCATIONS != 0;
}

Allocations count_allocations(const std::function<void()>& body) {
  calls = onednn_calls = onednn_largest = 0;
  is_counting = true;
  body();
  is_counting = false;
  return {calls, onednn_calls, onednn_largest};
}

}  // namespace engine

#if ENGINE_COUNTS_ALLOCATIONS
extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t items, std::size_t size);
void* __libc_realloc(void* memory, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);

void* malloc(std::size_t size) {
  count(size, __builtin_return_address(0));
  return __libc_malloc(size);
}
void* calloc(std::size_t items, std::size_t size) {
  count(items * size, __builtin_return_address(0));
  return __libc_calloc(items, size);
}
void* realloc(void* memory, std::size_t size) {
  count(size, __builtin_return_address(0));
  return __libc_realloc(memory, size);
}
void* memalign(std::size_t alignment, std::size_t size) {
  count(size, __builtin_return_address(0));
  return __libc_memalign(alignment, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
  count(size, __builtin_return_address(0));
  return __libc_memalign(alignment, size);
}
int posix_memalign(void** memory, std::size_t alignment, std::size_t size) {
  count(size, __builtin_return_address(0));
  *memory = __libc_memalign(alignment, size);
  return *memory == nullptr ? ENOMEM : 0;
}
}  // extern "C"

// The other forms of new end in these; here, because malloc would see the C++ runtime as caller.
void* operator new(std::size_t size) {
  count(size, __builtin_return_address(0));
  void* memory = __libc_malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  count(size, __builtin_return_address(0));
  void* memory = __libc_memalign(static_cast<std::size_t>(alignment), size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}
#endif
