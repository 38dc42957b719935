#pragma once

// What the products on tensor cores of 8.x share: tiles of 16-bit elements in shared memory, and a
// warp's multiplication of two of them. A tile has rows (along m or n) and kMmaTerms terms (along
// k), in lines of 128 bytes that run along the terms or along 64 of the rows, as the operand does
// in global memory. The eight 16-byte chunks of a line are permuted by the line's number, so that
// the eight rows that an ldmatrix takes at once lie in different banks.
#include <cstdint>

#include "engine/kernels/cuda/ptx/ldmatrix.h"
#include "engine/kernels/cuda/ptx/mma.h"

namespace engine::cuda {

inline constexpr int kMmaTerms = 64;
inline constexpr int kMmaLineBytes = 128;
inline constexpr int kMmaLineElements = 64;

constexpr int mma_tile_bytes(int rows) {
  return rows * kMmaTerms * 2;
}

// The place of a chunk of eight elements: line 0 to the tile's rows - 1, chunk 0 to 7.
__device__ __forceinline__ std::uint32_t mma_chunk(int line, int chunk) {
  return static_cast<std::uint32_t>(line * kMmaLineBytes + ((chunk ^ (line & 7)) << 4));
}

// The same by row and term. Where lines run along the terms these count by 8, else the rows do.
template <bool kAlongTerms>
__device__ __forceinline__ std::uint32_t mma_chunk_of(int row, int term) {
  if constexpr (kAlongTerms) {
    return mma_chunk(row, term / 8);
  } else {
    return mma_chunk(row / kMmaLineElements * kMmaTerms + term, row % kMmaLineElements / 8);
  }
}

// Four 8x8 matrices of a tile at (row, term): the first, one 8 away along the rows (kRowsFirst) or
// terms, one 8 away along the other, and the one opposite. With kRowsFirst these are the a of
// mma_m16n8k16, without the b of two neighbours along n.
template <bool kAlongTerms, bool kRowsFirst>
__device__ __forceinline__ void load_mma_fragment(std::uint32_t (&fragment)[4], std::uint32_t tile,
                                                  int row, int term) {
  const int lane = static_cast<int>(threadIdx.x) & 31;
  const int first = lane & 8, second = (lane & 16) / 2, line = lane & 7;
  const int row_of_matrix = row + (kRowsFirst ? first : second);
  const int term_of_matrix = term + (kRowsFirst ? second : first);
  if constexpr (kAlongTerms) {
    ptx::ldmatrix(fragment, tile + mma_chunk_of<true>(row_of_matrix + line, term_of_matrix));
  } else {
    ptx::ldmatrix_transposed(fragment,
                             tile + mma_chunk_of<false>(row_of_matrix, term_of_matrix + line));
  }
}

__device__ __forceinline__ void mma(__nv_bfloat16, float (&d)[4], const std::uint32_t (&a)[4],
                                    const std::uint32_t (&b)[2]) {
  ptx::mma_m16n8k16_bf16(d, a, b);
}
__device__ __forceinline__ void mma(__half, float (&d)[4], const std::uint32_t (&a)[4],
                                    const std::uint32_t (&b)[2]) {
  ptx::mma_m16n8k16_f16(d, a, b);
}

// kM x kN sums of a warp, spread over its lanes.
template <class T, int kM, int kN>
struct MmaSums {
  static_assert(kM % 16 == 0 && kN % 16 == 0);
  float values[kM / 16][kN / 8][4] = {};

  // Adds the products of kM rows of tile a from `row` on and kN rows of tile b from `column` on.
  template <bool kAAlongTerms, bool kBAlongTerms>
  __device__ __forceinline__ void multiply(std::uint32_t a, std::uint32_t b, int row, int column) {
#pragma unroll
    for (int term = 0; term < kMmaTerms; term += 16) {
      std::uint32_t left[kM / 16][4], right[kN / 8][2];
#pragma unroll
      for (int i = 0; i < kM / 16; ++i) {
        load_mma_fragment<kAAlongTerms, true>(left[i], a, row + i * 16, term);
      }
#pragma unroll
      for (int j = 0; j < kN / 16; ++j) {
        std::uint32_t pair[4];
        load_mma_fragment<kBAlongTerms, false>(pair, b, column + j * 16, term);
#pragma unroll
        for (int r = 0; r < 4; ++r) right[j * 2 + r / 2][r % 2] = pair[r];
      }
#pragma unroll
      for (int i = 0; i < kM / 16; ++i) {
#pragma unroll
        for (int j = 0; j < kN / 8; ++j) mma(T(), values[i][j], left[i], right[j]);
      }
    }
  }

  // Calls write(row, column, sums) for each two neighbours of a row that this lane has.
  template <class Write>
  __device__ __forceinline__ void for_each_pair(int row, int column, const Write& write) const {
    const int lane = static_cast<int>(threadIdx.x) & 31;
#pragma unroll
    for (int i = 0; i < kM / 16; ++i) {
#pragma unroll
      for (int j = 0; j < kN / 8; ++j) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          const float pair[2] = {values[i][j][half * 2], values[i][j][half * 2 + 1]};
          write(row + i * 16 + half * 8 + lane / 4, column + j * 8 + lane % 4 * 2, pair);
        }
      }
    }
  }
};

}  // namespace engine::cuda
