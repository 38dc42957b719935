#pragma once

// What the products on tensor cores of 8.x share: tiles in shared memory, and a warp's
// multiplication of two of them. T is bf16, f16, or f32, whose products are made of factors rounded
// to tf32. A tile has rows (along m or n) and kMmaTerms<T> terms (along k), in lines of 128 bytes
// that run along the terms or along as many of the rows, as the operand does in global memory. The
// eight 16-byte chunks of a line are permuted by the line's number, so that what a warp reads at
// once lies in different banks.
#include <cstdint>

#include "engine/kernels/cuda/ptx/ldmatrix.h"
#include "engine/kernels/cuda/ptx/mma.h"
#include "engine/kernels/cuda/ptx/shared.h"

namespace engine::cuda {

inline constexpr int kMmaLineBytes = 128;
template <class T>
inline constexpr int kMmaTerms = kMmaLineBytes / static_cast<int>(sizeof(T));
template <class T>
inline constexpr int kMmaLineElements = kMmaLineBytes / static_cast<int>(sizeof(T));
template <class T>
inline constexpr int kMmaChunk = 16 / static_cast<int>(sizeof(T));  // elements

constexpr int mma_tile_bytes(int rows) {
  return rows * kMmaLineBytes;
}

// The place of a chunk: line 0 to the tile's rows - 1, chunk 0 to 7. The eight rows that an
// ldmatrix takes at once are the same chunk of eight lines. It transposes 2-byte elements only:
// where lines of f32 run along the rows, a warp reads two chunks of each of four lines instead.
template <class T, bool kAlongTerms>
__device__ __forceinline__ std::uint32_t mma_chunk(int line, int chunk) {
  const int swizzle = kAlongTerms || sizeof(T) == 2 ? line & 7 : (line & 3) * 2;
  return static_cast<std::uint32_t>(line * kMmaLineBytes + ((chunk ^ swizzle) << 4));
}

// The same by row and term. Where lines run along the terms these count by kMmaChunk, else the rows
// do.
template <class T, bool kAlongTerms>
__device__ __forceinline__ std::uint32_t mma_chunk_of(int row, int term) {
  if constexpr (kAlongTerms) {
    return mma_chunk<T, true>(row, term / kMmaChunk<T>);
  } else {
    return mma_chunk<T, false>(row / kMmaLineElements<T> * kMmaTerms<T> + term,
                               row % kMmaLineElements<T> / kMmaChunk<T>);
  }
}

// Four matrices of a tile, 8 rows by kMmaChunk terms each: at (row, term), the next one along the
// rows (kRowsFirst) or terms, the next one along the other, and the one opposite. With kRowsFirst
// these are the a of an mma, without the b of two neighbours along n.
template <class T, bool kAlongTerms, bool kRowsFirst>
__device__ __forceinline__ void load_mma_fragment(std::uint32_t (&fragment)[4], std::uint32_t tile,
                                                  int row, int term) {
  const int lane = static_cast<int>(threadIdx.x) & 31;
  if constexpr (kAlongTerms || sizeof(T) == 2) {
    const int first = lane / 8 % 2, second = lane / 16, line = lane & 7;
    const int row_of_matrix = row + (kRowsFirst ? first : second) * 8;
    const int term_of_matrix = term + (kRowsFirst ? second : first) * kMmaChunk<T>;
    if constexpr (kAlongTerms) {
      ptx::ldmatrix(fragment, tile + mma_chunk_of<T, true>(row_of_matrix + line, term_of_matrix));
    } else {
      ptx::ldmatrix_transposed(fragment,
                               tile + mma_chunk_of<T, false>(row_of_matrix, term_of_matrix + line));
    }
  } else {
    const int line = lane % 4, word = lane / 4;  // 8 rows of 4 terms: 32 words in as many banks
    const auto place = static_cast<std::uint32_t>(line * kMmaLineBytes + word * 4);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int eight = row / 8 + (kRowsFirst ? i % 2 : i / 2);
      const int line_of_matrix = eight / 4 * kMmaTerms<T> + term + (kRowsFirst ? i / 2 : i % 2) * 4;
      const int swizzled = line_of_matrix * kMmaLineBytes + ((eight % 4 ^ line) << 5);
      fragment[i] = ptx::load_shared(tile + place + static_cast<std::uint32_t>(swizzled));
    }
  }
  if constexpr (sizeof(T) == 4) {
#pragma unroll
    for (std::uint32_t& bits : fragment) bits = ptx::round_to_tf32(__uint_as_float(bits));
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
__device__ __forceinline__ void mma(float, float (&d)[4], const std::uint32_t (&a)[4],
                                    const std::uint32_t (&b)[2]) {
  ptx::mma_m16n8k8_tf32(d, a, b);
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
    for (int term = 0; term < kMmaTerms<T>; term += 2 * kMmaChunk<T>) {
      std::uint32_t left[kM / 16][4], right[kN / 8][2];
#pragma unroll
      for (int i = 0; i < kM / 16; ++i) {
        load_mma_fragment<T, kAAlongTerms, true>(left[i], a, row + i * 16, term);
      }
#pragma unroll
      for (int j = 0; j < kN / 16; ++j) {
        std::uint32_t pair[4];
        load_mma_fragment<T, kBAlongTerms, false>(pair, b, column + j * 16, term);
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
