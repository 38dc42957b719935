#pragma once

#include "simt/ptx/mbarrier.h"

namespace engine::ptx {

ENGINE_PTX void tma_prefetch(const CUtensorMap*) {}

#define ENGINE_SIMT_TMA(rank, coordinates, ...)                                         \
  ENGINE_PTX void tma_load(std::uint32_t destination, const CUtensorMap* map,           \
                           std::uint32_t barrier, ENGINE_SIMT_PACK coordinates,         \
                           ENGINE_SIMT_HERE) {                                          \
    const int at[] = {__VA_ARGS__};                                                     \
    simt::tma_load(destination, map, barrier, at, rank, 0, where);                      \
  }                                                                                     \
  ENGINE_PTX void tma_load_multicast(std::uint32_t destination, const CUtensorMap* map, \
                                     std::uint32_t barrier, std::uint16_t blocks,       \
                                     ENGINE_SIMT_PACK coordinates, ENGINE_SIMT_HERE) {  \
    const int at[] = {__VA_ARGS__};                                                     \
    simt::tma_load(destination, map, barrier, at, rank, blocks, where);                 \
  }                                                                                     \
  ENGINE_PTX void tma_store(const CUtensorMap* map, std::uint32_t source,               \
                            ENGINE_SIMT_PACK coordinates, ENGINE_SIMT_HERE) {           \
    const int at[] = {__VA_ARGS__};                                                     \
    simt::tma_store(map, source, at, rank, where);                                      \
  }
#define ENGINE_SIMT_PACK(...) __VA_ARGS__
ENGINE_SIMT_TMA(2, (int x, int y), x, y)
ENGINE_SIMT_TMA(3, (int x, int y, int z), x, y, z)
ENGINE_SIMT_TMA(4, (int x, int y, int z, int u), x, y, z, u)
ENGINE_SIMT_TMA(5, (int x, int y, int z, int u, int v), x, y, z, u, v)
#undef ENGINE_SIMT_PACK
#undef ENGINE_SIMT_TMA

ENGINE_PTX void bulk_commit() {
  simt::bulk_commit();
}
template <int kPending>
ENGINE_PTX void bulk_wait_read() {
  simt::bulk_wait(kPending);
}
template <int kPending>
ENGINE_PTX void bulk_wait() {
  simt::bulk_wait(kPending);
}

}  // namespace engine::ptx
