#pragma once

#include <type_traits>

#include "simt/operations.h"

// Loads and stores with cache hints, and address spaces.
namespace engine::simt {

template <class T>
ENGINE_SIMT_UNCHECKED T load_vector(const T* p) {
  if (reinterpret_cast<std::uintptr_t>(p) % alignof(T)) {
    fail("misaligned", "load of a %zu-byte vector from a misaligned address %p", sizeof(T),
         static_cast<const void*>(p));
  }
  check_read(p, sizeof(T));
  return *p;
}
template <class T>
ENGINE_SIMT_UNCHECKED void store_vector(T* p, const T& v) {
  if (reinterpret_cast<std::uintptr_t>(p) % alignof(T)) {
    fail("misaligned", "store of a %zu-byte vector to a misaligned address %p", sizeof(T),
         static_cast<const void*>(p));
  }
  check_write(p, sizeof(T));
  *p = v;
}

}  // namespace engine::simt

#define ENGINE_SIMT_LOAD(name)            \
  template <class T>                      \
  ENGINE_SIMT_DEVICE T name(const T* p) { \
    return engine::simt::load_vector(p);  \
  }
ENGINE_SIMT_LOAD(__ldg)
ENGINE_SIMT_LOAD(__ldcs)
ENGINE_SIMT_LOAD(__ldcg)
ENGINE_SIMT_LOAD(__ldca)
#undef ENGINE_SIMT_LOAD

#define ENGINE_SIMT_STORE(name)                                          \
  template <class T>                                                     \
  ENGINE_SIMT_DEVICE void name(T* p, const std::type_identity_t<T>& v) { \
    engine::simt::store_vector(p, v);                                    \
  }
ENGINE_SIMT_STORE(__stcs)
ENGINE_SIMT_STORE(__stcg)
ENGINE_SIMT_STORE(__stwb)
#undef ENGINE_SIMT_STORE

ENGINE_SIMT_DEVICE std::size_t __cvta_generic_to_shared(const void* p) {
  return engine::simt::shared_address(p);
}
