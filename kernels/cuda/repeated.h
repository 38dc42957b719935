#pragma once

// A small tensor read as if it were repeated to the size of a large one.
#include <algorithm>
#include <cstdint>
#include <numeric>

#include "engine/kernels/cuda/packs.h"

namespace engine::cuda {

// The large tensor is [outer, repeats, inner], the small one [outer, inner].
struct Repetition {
  std::int64_t outer = 1, repeats = 1, inner = 1;
  std::int64_t elements() const { return outer * repeats * inner; }
};

// Where an element of the large tensor lies, kept up by additions: divisions of 64 bits happen
// once a thread.
class RepeatedIndex {
 public:
  RepeatedIndex() = default;
  __host__ __device__ RepeatedIndex(const Repetition& shape, std::int64_t element)
      : inner_(shape.inner), slice_(shape.repeats * shape.inner) {
    outer_ = element / slice_;
    in_slice_ = element % slice_;
    column_ = in_slice_ % inner_;
  }
  // Of the small tensor.
  __device__ std::int64_t element() const { return outer_ * inner_ + column_; }
  __device__ void next() {
    if (++column_ == inner_) column_ = 0;
    if (++in_slice_ == slice_) {
      in_slice_ = 0;
      ++outer_;
    }
  }
  // By the element that lies `step` behind the first one.
  __device__ void advance(const RepeatedIndex& step) {
    outer_ += step.outer_;
    column_ += step.column_;
    if (column_ >= inner_) column_ -= inner_;
    in_slice_ += step.in_slice_;
    if (in_slice_ >= slice_) {
      in_slice_ -= slice_;
      ++outer_;
    }
  }
  // For a step: whether advancing by it stays with the same columns.
  __device__ bool keeps_columns() const { return column_ == 0; }

 private:
  std::int64_t inner_ = 1, slice_ = 1;
  std::int64_t outer_ = 0, in_slice_ = 0, column_ = 0;
};

// The N values of the small tensor for a pack of the large one; zeros from `left` on. is_aligned:
// inner is a multiple of N and packs of 16 bytes may be loaded.
template <class T, int N>
__device__ void load_repeated(const T* small, RepeatedIndex index, std::int64_t left,
                              bool is_aligned, float (&values)[N]) {
  if (is_aligned) {
    constexpr int kPiece = N < kPackElements<T> ? N : kPackElements<T>;
#pragma unroll
    for (int piece = 0; piece < N; piece += kPiece) {
      const auto pack = *reinterpret_cast<const Pack<T, kPiece>*>(small + index.element() + piece);
#pragma unroll
      for (int i = 0; i < kPiece; ++i) values[piece + i] = load(pack.values[i]);
    }
    return;
  }
#pragma unroll
  for (int i = 0; i < N; ++i) {
    values[i] = i < left ? load(small[index.element()]) : 0.0f;
    index.next();
  }
}

// How a grid strides over the large tensor. The step is the same for all threads, and worked out
// before the launch.
struct RepeatedWalk {
  Repetition shape;
  unsigned blocks = 0;
  std::int64_t stride = 0;  // elements from a thread's pack to its next
  RepeatedIndex step;       // the same
};

// Blocks of `threads` threads with packs of N elements: each thread takes two packs or more, and
// where that needs few more blocks stays with the same columns.
inline RepeatedWalk repeated_walk(const Repetition& shape, int threads, int pack) {
  constexpr std::int64_t kMostBlocks = 2048;  // enough to fill a GPU
  constexpr std::int64_t kLeastPacks = 2;
  if (shape.elements() == 0) return {.shape = shape};
  const std::int64_t block = std::int64_t{threads} * pack;
  const std::int64_t part = block * kLeastPacks;
  std::int64_t blocks = std::min((shape.elements() + part - 1) / part, kMostBlocks);
  // A stride of a multiple of `unit` blocks keeps the columns.
  const std::int64_t unit = shape.inner / std::gcd(shape.inner, block);
  if (8 * unit <= blocks) blocks = (blocks + unit - 1) / unit * unit;
  return {.shape = shape,
          .blocks = static_cast<unsigned>(blocks),
          .stride = blocks * block,
          .step = RepeatedIndex(shape, blocks * block)};
}

}  // namespace engine::cuda
