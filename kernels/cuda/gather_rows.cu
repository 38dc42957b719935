// gather_rows on CUDA.
#include <algorithm>
#include <cstdint>

#include "engine/core/cuda/device_code.h"
#include "engine/core/cuda/launch.h"
#include "engine/kernels/cpu/gather_rows.h"

namespace engine::cuda {

namespace {

constexpr int kThreads = 256;
constexpr std::int64_t kMostGridY = 65535;

struct Gather {
  std::int64_t table_rows, count, row_bytes;
};

// A row is copied by blockDim.x threads of each block along y, a word of type Word at a time; a
// block has blockDim.y rows. Floor: each row that is taken read and written once, and its index.
template <class Word>
__global__ void __launch_bounds__(kThreads)
    gather_rows_kernel(const Word* table, const std::int32_t* rows, Word* y, std::int64_t row_words,
                       std::int64_t table_rows, std::int64_t count) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
  if (i >= count) return;
  const std::int64_t asked = rows[i];
  const std::int64_t row = asked < 0 ? 0 : asked < table_rows ? asked : table_rows - 1;
  const Word* from = table + row * row_words;
  Word* to = y + i * row_words;
  const std::int64_t step = static_cast<std::int64_t>(gridDim.y) * blockDim.x;
  for (std::int64_t word = static_cast<std::int64_t>(blockIdx.y) * blockDim.x + threadIdx.x;
       word < row_words; word += step) {
    to[word] = from[word];
  }
}

template <class Word>
void run(const Stream& stream, const Gather& gather, const Buffers& buffers) {
  const std::int64_t row_words = gather.row_bytes / static_cast<std::int64_t>(sizeof(Word));
  int width = 1;  // threads along a row
  while (width < kThreads && width < row_words) width *= 2;
  const int height = kThreads / width;
  const auto parts = static_cast<unsigned>(std::min((row_words + width - 1) / width, kMostGridY));
  launch("gather_rows_kernel", gather_rows_kernel<Word>,
         {.grid = dim3(blocks_for(gather.count, height), parts),
          .block = dim3(static_cast<unsigned>(width), static_cast<unsigned>(height))},
         stream_of(stream), buffers.in<Word>(0), buffers.in<std::int32_t>(1), buffers.out<Word>(0),
         row_words, gather.table_rows, gather.count);
}

}  // namespace

std::unique_ptr<Kernel> prepare_gather_rows(const PrepareContext& context) {
  const std::int64_t table_rows = context.inputs[0].shape[0];
  const Gather gather{
      .table_rows = table_rows,
      .count = context.inputs[1].shape[0],
      .row_bytes = table_rows == 0 ? 0 : context.inputs[0].bytes() / table_rows,
  };
  return make_kernel([=](const Stream& stream, const Buffers& buffers) {
    const auto fits = [&](auto word) {
      using Word = decltype(word);
      return fits_pack<std::uint8_t, sizeof(Word)>(buffers.inputs[0], gather.row_bytes) &&
             fits_pack<std::uint8_t, sizeof(Word)>(buffers.outputs[0], gather.row_bytes);
    };
    if (fits(uint4{})) {
      run<uint4>(stream, gather, buffers);
    } else if (fits(std::uint32_t{})) {
      run<std::uint32_t>(stream, gather, buffers);
    } else {
      run<std::uint8_t>(stream, gather, buffers);
    }
  });
}

}  // namespace engine::cuda
