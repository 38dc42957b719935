#pragma once

// Many tensors in one launch: a table of their pointers travels as a kernel parameter. Each tensor
// is cut into blocks of kTableBlock elements; a thread block finds its tensor by its index.
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "engine/core/cuda/device_code.h"
#include "engine/core/errors.h"
#include "engine/core/shape.h"

namespace engine::cuda {

constexpr int kTableThreads = 256;
constexpr int kTablePacks = 4;  // of 4 floats, for each thread
constexpr std::int64_t kTableBlock = std::int64_t{4} * kTableThreads * kTablePacks;

template <int kPointers>
struct TensorTable {
  static constexpr int kSize = 48;  // with 7 pointers 3.3 of the 4 KiB that parameters may take

  float* pointers[kSize][kPointers];  // those of inputs are only read
  std::int64_t counts[kSize];
  std::int32_t first_blocks[kSize + 1];  // the last one in use is the number of blocks
  std::int32_t size;
  bool is_aligned;  // all pointers, to 16 bytes
};

// The part of a list of tensors that one launch takes.
struct TablePart {
  int first_tensor;
  std::vector<std::int64_t> counts;
  std::vector<std::int32_t> first_blocks;  // one more than counts
  std::int64_t blocks() const { return first_blocks.back(); }
};

// Empty tensors are left out where a part would hold nothing else.
inline std::vector<TablePart> table_parts(std::span<const TensorType> types, int most) {
  std::vector<TablePart> parts;
  const int count = static_cast<int>(types.size());
  for (int first = 0; first < count; first += most) {
    TablePart part{.first_tensor = first, .counts = {}, .first_blocks = {0}};
    for (int i = first; i < count && i < first + most; ++i) {
      const std::int64_t elements = types[static_cast<std::size_t>(i)].shape.elements();
      const std::int64_t blocks = part.blocks() + (elements + kTableBlock - 1) / kTableBlock;
      ENGINE_CHECK(blocks <= std::numeric_limits<std::int32_t>::max(), "cuda: tensors of ", blocks,
                   " blocks of ", kTableBlock, " elements are too many for one launch");
      part.counts.push_back(elements);
      part.first_blocks.push_back(static_cast<std::int32_t>(blocks));
    }
    if (part.blocks() > 0) parts.push_back(std::move(part));
  }
  return parts;
}

// pointer_of(tensor, k) gives pointer k of a tensor.
template <int kPointers, class PointerOf>
TensorTable<kPointers> table_of(const TablePart& part, const PointerOf& pointer_of) {
  TensorTable<kPointers> table = {};
  table.size = static_cast<std::int32_t>(part.counts.size());
  table.is_aligned = true;
  for (int i = 0; i < table.size; ++i) {
    for (int k = 0; k < kPointers; ++k) {
      table.pointers[i][k] = pointer_of(part.first_tensor + i, k);
      table.is_aligned = table.is_aligned && fits_pack<float, 4>(table.pointers[i][k], 0);
    }
    table.counts[i] = part.counts[static_cast<std::size_t>(i)];
    table.first_blocks[i] = part.first_blocks[static_cast<std::size_t>(i)];
  }
  table.first_blocks[table.size] = part.first_blocks.back();
  return table;
}

// The tensor of a thread block: the last one that begins at or before it and is not empty.
template <int kPointers>
__device__ int tensor_of_block(const TensorTable<kPointers>& table, int block) {
  int low = 0, high = table.size;
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if (table.first_blocks[middle] <= block) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return low;
}

// Four floats from `first` on; zeros from `count` on.
__device__ inline Pack<float, 4> load_four(const float* x, std::int64_t first, std::int64_t count,
                                           bool is_aligned) {
  if (is_aligned && first + 4 <= count) return *reinterpret_cast<const Pack<float, 4>*>(x + first);
  Pack<float, 4> values;
  for (int i = 0; i < 4; ++i) values.values[i] = first + i < count ? x[first + i] : 0.0f;
  return values;
}

__device__ inline void store_four(float* y, std::int64_t first, std::int64_t count, bool is_aligned,
                                  const Pack<float, 4>& values) {
  if (is_aligned && first + 4 <= count) {
    *reinterpret_cast<Pack<float, 4>*>(y + first) = values;
    return;
  }
  for (int i = 0; i < 4; ++i) {
    if (first + i < count) y[first + i] = values.values[i];
  }
}

}  // namespace engine::cuda
