#pragma once

#include <cuda.h>

#include "simt/operations.h"

// The emulated instructions behind the twins of kernels/cuda/ptx.
namespace engine::simt {

constexpr std::uint32_t kCpAsyncAll = ~0u;  // committed or not
void cp_async(std::uint32_t destination, const void* source, std::uint32_t bytes,
              std::uint32_t source_bytes, Location where);
void cp_async_commit();
void cp_async_wait(std::uint32_t pending);

std::uint32_t load_shared(std::uint32_t address, Location where);
void ldmatrix(std::uint32_t* registers, std::uint32_t address, int matrices, bool transposed,
              Location where);
void stmatrix(const std::uint32_t* registers, std::uint32_t address, int matrices, bool transposed,
              Location where);

enum class MmaType { kBf16, kF16, kTf32 };
void mma(MmaType type, float* d, const std::uint32_t* a, const std::uint32_t* b, Location where);

void mbarrier_init(std::uint32_t barrier, std::uint32_t count, Location where);
void mbarrier_invalidate(std::uint32_t barrier, Location where);
void mbarrier_arrive(std::uint32_t barrier, std::uint32_t arrivals, std::int32_t bytes,
                     Location where);
// May return false although the phase is over: try_wait is allowed to.
bool mbarrier_try_wait(std::uint32_t barrier, std::uint32_t parity, Location where);

// Into shared memory of this block, or of all blocks that `blocks` names (0: only this one).
void tma_load(std::uint32_t destination, const CUtensorMap* map, std::uint32_t barrier,
              const int* coordinates, int rank, std::uint32_t blocks, Location where);
void tma_store(const CUtensorMap* map, std::uint32_t source, const int* coordinates, int rank,
               Location where);
void bulk_commit();
void bulk_wait(std::uint32_t pending);

// A is a descriptor, or four registers of 16-bit pairs where a_registers is not null.
struct WgmmaForm {
  WgmmaType type;
  int n;
  bool transpose_a = false, transpose_b = false;
};
void wgmma(const WgmmaForm& form, float* d, std::uint64_t a, const std::uint32_t* a_registers,
           std::uint64_t b, bool accumulate, Location where);
void wgmma_fence();
void wgmma_commit();
void wgmma_wait(std::uint32_t pending, Location where);

// Offset of a byte in shared memory under a swizzle of 32, 64 or 128 bytes (0: none).
std::uint32_t swizzle(std::uint32_t address, int swizzle_bytes);

}  // namespace engine::simt
