#include <cstdint>

#include "access.h"

// What code compiled with -fsanitize=thread,bounds,... calls, in place of libtsan and libubsan.
namespace engine::simt {

bool access_checks = false;

static inline void check_aligned(const void* p, std::size_t bytes, const char* what,
                                 const void* pc) {
  const Fiber* const fiber = current_fiber;
  if ((reinterpret_cast<std::uintptr_t>(p) & (bytes - 1)) == 0 || !fiber) return;
  const char* const address = static_cast<const char*>(p);
  if (address >= fiber->stack_low && address < fiber->stack_high) return;
  fail("misaligned", "%zu-byte %s of address %p at %s", bytes, what, p,
       access_source_line(pc).c_str());
}

}  // namespace engine::simt

using engine::simt::Access;
using engine::simt::check_aligned;
using engine::simt::check_current;

#define ENGINE_SIMT_PC __builtin_return_address(0)

extern "C" {

// Called by the static constructors of instrumented files: this is how a check build is known.
void __tsan_init() {
  engine::simt::access_checks = true;
}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}

#define ENGINE_SIMT_ACCESS(name, bytes, access)      \
  void __tsan_##name(void* p) {                      \
    check_current(p, bytes, access, ENGINE_SIMT_PC); \
  }
#define ENGINE_SIMT_ALIGNED(name, bytes, access, what) \
  void __tsan_##name(void* p) {                        \
    check_aligned(p, bytes, what, ENGINE_SIMT_PC);     \
    check_current(p, bytes, access, ENGINE_SIMT_PC);   \
  }
#define ENGINE_SIMT_ACCESSES(bytes)                                 \
  ENGINE_SIMT_ALIGNED(read##bytes, bytes, Access::kRead, "read")    \
  ENGINE_SIMT_ALIGNED(write##bytes, bytes, Access::kWrite, "write") \
  ENGINE_SIMT_ACCESS(unaligned_read##bytes, bytes, Access::kRead)   \
  ENGINE_SIMT_ACCESS(unaligned_write##bytes, bytes, Access::kWrite) \
  ENGINE_SIMT_ACCESS(volatile_read##bytes, bytes, Access::kRead)    \
  ENGINE_SIMT_ACCESS(volatile_write##bytes, bytes, Access::kWrite)  \
  ENGINE_SIMT_ACCESS(read_write##bytes, bytes, Access::kWrite)
ENGINE_SIMT_ACCESSES(1)
ENGINE_SIMT_ACCESSES(2)
ENGINE_SIMT_ACCESSES(4)
ENGINE_SIMT_ACCESSES(8)
ENGINE_SIMT_ACCESSES(16)
void __tsan_read_range(void* p, unsigned long n) {
  check_current(p, n, Access::kRead, ENGINE_SIMT_PC);
}
void __tsan_write_range(void* p, unsigned long n) {
  check_current(p, n, Access::kWrite, ENGINE_SIMT_PC);
}

#define ENGINE_SIMT_FETCH(bits, T, name, expression)                              \
  T __tsan_atomic##bits##_##name(volatile T* p, T v, int) {                       \
    check_current(const_cast<T*>(p), sizeof(T), Access::kAtomic, ENGINE_SIMT_PC); \
    const T old = *p;                                                             \
    *p = static_cast<T>(expression);                                              \
    return old;                                                                   \
  }
#define ENGINE_SIMT_ATOMICS(bits, T)                                                               \
  T __tsan_atomic##bits##_load(const volatile T* p, int) {                                         \
    check_current(const_cast<const T*>(p), sizeof(T), Access::kAtomic, ENGINE_SIMT_PC);            \
    return *p;                                                                                     \
  }                                                                                                \
  void __tsan_atomic##bits##_store(volatile T* p, T v, int) {                                      \
    check_current(const_cast<T*>(p), sizeof(T), Access::kAtomicStore, ENGINE_SIMT_PC);             \
    *p = v;                                                                                        \
  }                                                                                                \
  ENGINE_SIMT_FETCH(bits, T, exchange, v)                                                          \
  ENGINE_SIMT_FETCH(bits, T, fetch_add, old + v)                                                   \
  ENGINE_SIMT_FETCH(bits, T, fetch_sub, old - v)                                                   \
  ENGINE_SIMT_FETCH(bits, T, fetch_and, old& v)                                                    \
  ENGINE_SIMT_FETCH(bits, T, fetch_or, old | v)                                                    \
  ENGINE_SIMT_FETCH(bits, T, fetch_xor, old ^ v)                                                   \
  T __tsan_atomic##bits##_compare_exchange_val(volatile T* p, T expected, T v, int, int) {         \
    check_current(const_cast<T*>(p), sizeof(T), Access::kAtomic, ENGINE_SIMT_PC);                  \
    const T old = *p;                                                                              \
    if (old == expected) *p = v;                                                                   \
    return old;                                                                                    \
  }                                                                                                \
  int __tsan_atomic##bits##_compare_exchange_strong(volatile T* p, T* expected, T v, int, int) {   \
    check_current(const_cast<T*>(p), sizeof(T), Access::kAtomic, ENGINE_SIMT_PC);                  \
    const T old = *p;                                                                              \
    const bool equal = old == *expected;                                                           \
    if (equal) *p = v;                                                                             \
    *expected = old;                                                                               \
    return equal;                                                                                  \
  }                                                                                                \
  int __tsan_atomic##bits##_compare_exchange_weak(volatile T* p, T* expected, T v, int a, int b) { \
    return __tsan_atomic##bits##_compare_exchange_strong(p, expected, v, a, b);                    \
  }
ENGINE_SIMT_ATOMICS(8, std::uint8_t)
ENGINE_SIMT_ATOMICS(16, std::uint16_t)
ENGINE_SIMT_ATOMICS(32, std::uint32_t)
ENGINE_SIMT_ATOMICS(64, std::uint64_t)
void __tsan_atomic_thread_fence(int) {}
void __tsan_atomic_signal_fence(int) {}

// The compiler's checks of arithmetic and array bounds; every handler's data begins with the place.
struct UbsanPlace {
  const char* file;
  std::uint32_t line, column;
};
#define ENGINE_SIMT_UBSAN(name, kind, text)                          \
  void __ubsan_handle_##name(void* data, ...) {                      \
    const auto* place = static_cast<const UbsanPlace*>(data);        \
    const char* const file = engine::simt::file_name(place->file);   \
    if (engine::simt::current_fiber)                                 \
      engine::simt::fail(kind, text " at %s:%u", file, place->line); \
    engine::simt::report(kind, text " at %s:%u", file, place->line); \
  }
ENGINE_SIMT_UBSAN(out_of_bounds, "out-of-bounds", "array index outside its type")
ENGINE_SIMT_UBSAN(type_mismatch_v1, "misaligned", "access through a null or misaligned pointer")
ENGINE_SIMT_UBSAN(shift_out_of_bounds, "arithmetic", "shift out of range")
ENGINE_SIMT_UBSAN(add_overflow, "arithmetic", "signed addition overflows")
ENGINE_SIMT_UBSAN(sub_overflow, "arithmetic", "signed subtraction overflows")
ENGINE_SIMT_UBSAN(mul_overflow, "arithmetic", "signed multiplication overflows")
ENGINE_SIMT_UBSAN(negate_overflow, "arithmetic", "signed negation overflows")
ENGINE_SIMT_UBSAN(divrem_overflow, "arithmetic", "division by zero or overflow")

}  // extern "C"
