#pragma once

#include <cuda.h>

#include "engine/kernels/cuda/ptx/mbarrier.h"

#ifdef ENGINE_SIMT
#include "simt/ptx/tma.h"
#elif defined(ENGINE_PTX_SM90)

// Tensor copies between global and shared memory (9.0); one thread issues them. Coordinates count
// elements, the innermost dimension first. What lies outside of the tensor is read as zero and not
// written. Shared addresses are multiples of 128 bytes (of 8 swizzle lines, where it is swizzled).
namespace engine::ptx {

ENGINE_PTX void tma_prefetch(const CUtensorMap* map) {
  asm volatile("prefetch.tensormap [%0];\n" ::"l"(map) : "memory");
}

#define ENGINE_TMA_LOAD(rank) \
  "cp.async.bulk.tensor." rank ".shared::cluster.global.mbarrier::complete_tx::bytes"

// The mbarrier counts the bytes of the whole box.
ENGINE_PTX void tma_load(std::uint32_t destination, const CUtensorMap* map, std::uint32_t barrier,
                         int x, int y) {
  asm volatile(ENGINE_TMA_LOAD("2d") " [%0], [%1, {%3, %4}], [%2];\n" ::"r"(destination), "l"(map),
               "r"(barrier), "r"(x), "r"(y)
               : "memory");
}
ENGINE_PTX void tma_load(std::uint32_t destination, const CUtensorMap* map, std::uint32_t barrier,
                         int x, int y, int z) {
  asm volatile(ENGINE_TMA_LOAD("3d") " [%0], [%1, {%3, %4, %5}], [%2];\n" ::"r"(destination),
               "l"(map), "r"(barrier), "r"(x), "r"(y), "r"(z)
               : "memory");
}
ENGINE_PTX void tma_load(std::uint32_t destination, const CUtensorMap* map, std::uint32_t barrier,
                         int x, int y, int z, int u) {
  asm volatile(ENGINE_TMA_LOAD("4d") " [%0], [%1, {%3, %4, %5, %6}], [%2];\n" ::"r"(destination),
               "l"(map), "r"(barrier), "r"(x), "r"(y), "r"(z), "r"(u)
               : "memory");
}
ENGINE_PTX void tma_load(std::uint32_t destination, const CUtensorMap* map, std::uint32_t barrier,
                         int x, int y, int z, int u, int v) {
  asm volatile(
      ENGINE_TMA_LOAD("5d") " [%0], [%1, {%3, %4, %5, %6, %7}], [%2];\n" ::"r"(destination),
      "l"(map), "r"(barrier), "r"(x), "r"(y), "r"(z), "r"(u), "r"(v)
      : "memory");
}

// To the same place of all blocks whose bit is set in `blocks`; each one's mbarrier counts the
// bytes.
ENGINE_PTX void tma_load_multicast(std::uint32_t destination, const CUtensorMap* map,
                                   std::uint32_t barrier, std::uint16_t blocks, int x, int y) {
  asm volatile(ENGINE_TMA_LOAD("2d") ".multicast::cluster [%0], [%1, {%3, %4}], [%2], %5;\n" ::"r"(
                   destination),
               "l"(map), "r"(barrier), "r"(x), "r"(y), "h"(blocks)
               : "memory");
}
ENGINE_PTX void tma_load_multicast(std::uint32_t destination, const CUtensorMap* map,
                                   std::uint32_t barrier, std::uint16_t blocks, int x, int y, int z,
                                   int u) {
  asm volatile(
      ENGINE_TMA_LOAD("4d") ".multicast::cluster [%0], [%1, {%3, %4, %5, %6}], [%2], %7;\n" ::"r"(
          destination),
      "l"(map), "r"(barrier), "r"(x), "r"(y), "r"(z), "r"(u), "h"(blocks)
      : "memory");
}
#undef ENGINE_TMA_LOAD

#define ENGINE_TMA_STORE(rank) "cp.async.bulk.tensor." rank ".global.shared::cta.bulk_group"

ENGINE_PTX void tma_store(const CUtensorMap* map, std::uint32_t source, int x, int y) {
  asm volatile(ENGINE_TMA_STORE("2d") " [%0, {%2, %3}], [%1];\n" ::"l"(map), "r"(source), "r"(x),
               "r"(y)
               : "memory");
}
ENGINE_PTX void tma_store(const CUtensorMap* map, std::uint32_t source, int x, int y, int z) {
  asm volatile(ENGINE_TMA_STORE("3d") " [%0, {%2, %3, %4}], [%1];\n" ::"l"(map), "r"(source),
               "r"(x), "r"(y), "r"(z)
               : "memory");
}
ENGINE_PTX void tma_store(const CUtensorMap* map, std::uint32_t source, int x, int y, int z,
                          int u) {
  asm volatile(ENGINE_TMA_STORE("4d") " [%0, {%2, %3, %4, %5}], [%1];\n" ::"l"(map), "r"(source),
               "r"(x), "r"(y), "r"(z), "r"(u)
               : "memory");
}
ENGINE_PTX void tma_store(const CUtensorMap* map, std::uint32_t source, int x, int y, int z, int u,
                          int v) {
  asm volatile(ENGINE_TMA_STORE("5d") " [%0, {%2, %3, %4, %5, %6}], [%1];\n" ::"l"(map),
               "r"(source), "r"(x), "r"(y), "r"(z), "r"(u), "r"(v)
               : "memory");
}
#undef ENGINE_TMA_STORE

ENGINE_PTX void bulk_commit() {
  asm volatile("cp.async.bulk.commit_group;\n" ::: "memory");
}

// Until the sources of all but the latest kPending groups may be overwritten.
template <int kPending>
ENGINE_PTX void bulk_wait_read() {
  asm volatile("cp.async.bulk.wait_group.read %0;\n" ::"n"(kPending) : "memory");
}
// Until all but the latest kPending groups are written.
template <int kPending>
ENGINE_PTX void bulk_wait() {
  asm volatile("cp.async.bulk.wait_group %0;\n" ::"n"(kPending) : "memory");
}

}  // namespace engine::ptx
#endif
