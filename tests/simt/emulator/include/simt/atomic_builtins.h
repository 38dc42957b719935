#pragma once

#include <bit>
#include <type_traits>

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "simt/operations.h"

// Atomics and fences. Exact under several workers; relaxed, so that they order memory only together
// with a fence before (release) or after (acquire).
namespace engine::simt {

template <std::size_t kBytes>
using AtomicBits =
    std::conditional_t<kBytes == 2, std::uint16_t,
                       std::conditional_t<kBytes == 4, std::uint32_t, std::uint64_t>>;

template <class T, class Operation>
ENGINE_SIMT_UNCHECKED T modify(T* p, Operation operation, Order order = Order::kRelaxed) {
  static_assert(sizeof(T) == 2 || sizeof(T) == 4 || sizeof(T) == 8);
  using Bits = AtomicBits<sizeof(T)>;
  if (reinterpret_cast<std::uintptr_t>(p) % sizeof(T)) {
    fail("misaligned", "atomic on a misaligned address");
  }
  if (access_checks) {
    check_access(p, sizeof(T), Access::kAtomic, __builtin_return_address(0));
    order_atomic(p, order, true, true);
  }
  Bits* const bits = reinterpret_cast<Bits*>(p);
  Bits old = __atomic_load_n(bits, __ATOMIC_RELAXED), changed;
  T old_value;
  do {
    old_value = std::bit_cast<T>(old);
    changed = std::bit_cast<Bits>(static_cast<T>(operation(old_value)));
  } while (
      !__atomic_compare_exchange_n(bits, &old, changed, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
  return old_value;
}

template <class T>
ENGINE_SIMT_UNCHECKED T exchange(T* p, T v) {
  using Bits = AtomicBits<sizeof(T)>;
  if (access_checks) {
    check_access(p, sizeof(T), Access::kAtomicStore, __builtin_return_address(0));
    order_atomic(p, Order::kRelaxed, true, true);
  }
  return std::bit_cast<T>(
      __atomic_exchange_n(reinterpret_cast<Bits*>(p), std::bit_cast<Bits>(v), __ATOMIC_SEQ_CST));
}

template <class T>
ENGINE_SIMT_UNCHECKED T load(const T* p, Order order) {
  using Bits = AtomicBits<sizeof(T)>;
  const Bits bits = __atomic_load_n(reinterpret_cast<const Bits*>(p), __ATOMIC_SEQ_CST);
  if (access_checks) {
    check_access(p, sizeof(T), Access::kAtomic, __builtin_return_address(0));
    order_atomic(p, order, true, false);
  }
  return std::bit_cast<T>(bits);
}

template <class T>
ENGINE_SIMT_UNCHECKED void store(T* p, T v, Order order) {
  using Bits = AtomicBits<sizeof(T)>;
  if (access_checks) {
    check_access(p, sizeof(T), Access::kAtomicStore, __builtin_return_address(0));
    order_atomic(p, order, false, true);
  }
  __atomic_store_n(reinterpret_cast<Bits*>(p), std::bit_cast<Bits>(v), __ATOMIC_SEQ_CST);
}

}  // namespace engine::simt

#define ENGINE_SIMT_ATOMIC(name, expression)                              \
  template <class T>                                                      \
  ENGINE_SIMT_DEVICE T name(T* p, std::type_identity_t<T> v) {            \
    return engine::simt::modify(p, [=](T old) { return T(expression); }); \
  }
ENGINE_SIMT_ATOMIC(atomicAdd, old + v)
ENGINE_SIMT_ATOMIC(atomicSub, old - v)
ENGINE_SIMT_ATOMIC(atomicMax, old > v ? old : v)
ENGINE_SIMT_ATOMIC(atomicMin, old < v ? old : v)
ENGINE_SIMT_ATOMIC(atomicAnd, old& v)
ENGINE_SIMT_ATOMIC(atomicOr, old | v)
ENGINE_SIMT_ATOMIC(atomicXor, old ^ v)
ENGINE_SIMT_ATOMIC(atomicInc, old >= v ? 0 : old + 1)
#undef ENGINE_SIMT_ATOMIC

template <class T>
ENGINE_SIMT_DEVICE T atomicExch(T* p, std::type_identity_t<T> v) {
  return engine::simt::exchange(p, v);
}
template <class T>
ENGINE_SIMT_DEVICE T atomicCAS(T* p, std::type_identity_t<T> expected, std::type_identity_t<T> v) {
  return engine::simt::modify(p, [=](T old) { return old == expected ? v : old; });
}

ENGINE_SIMT_DEVICE void __threadfence() {
  engine::simt::order_fence();
}
ENGINE_SIMT_DEVICE void __threadfence_block() {
  engine::simt::order_fence();
}
ENGINE_SIMT_DEVICE void __threadfence_system() {
  engine::simt::order_fence();
}
