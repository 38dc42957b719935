// max_pool2d_backward_sum on CUDA.
#include "engine/kernels/cuda/block_sums.h"
#include "engine/kernels/cuda/pool_windows.h"
#include "engine/kernels/cuda/sum_parts.h"

namespace engine::cuda {

namespace {

constexpr int kMostParts = 512;  // of the rows; enough blocks for any GPU
constexpr int kLeastRows = 8;    // a thread, before the rows are split further

// How the sum of a [rows, channels] matrix over its rows is split. The order of the sums depends on
// this alone, so the bits are the same in every run.
struct Split {
  int rows, channels, part_rows;
};

// Sums of one part of the rows, to partial [parts, channels]. blockDim.x threads lie along the
// channels, N each, and the blockDim.y ones behind each other take every blockDim.y-th row.
// Floor: dy and argmax read once. Bound by memory bandwidth.
template <class T, class Argmax, int N>
__global__ void __launch_bounds__(kPoolThreads)
    max_pool2d_backward_sum_kernel(const T* dy, const Argmax* argmax,
                                   const __grid_constant__ Split split, float* partial) {
  const int channel = static_cast<int>(blockIdx.y * blockDim.x + threadIdx.x) * N;
  const int begin = static_cast<int>(blockIdx.x) * split.part_rows;
  const int end = min(begin + split.part_rows, split.rows);
  float sum[N] = {};
  if (channel < split.channels) {
#pragma unroll 4
    for (int row = begin + static_cast<int>(threadIdx.y); row < end;
         row += static_cast<int>(blockDim.y)) {
      const std::int64_t from = std::int64_t{row} * split.channels + channel;
      const auto slope = read_pack<T, N>(dy + from);
      const auto chosen = read_pack<Argmax, N>(argmax + from);
#pragma unroll
      for (int i = 0; i < N; ++i) {
        sum[i] += chosen.values[i] == static_cast<Argmax>(-1) ? 0.0f : load(slope.values[i]);
      }
    }
  }
  __shared__ float shared[kPoolThreads * N];
  add_along_block_y(sum, shared);
  if (threadIdx.y != 0 || channel >= split.channels) return;
  float* to = partial + std::int64_t{blockIdx.x} * split.channels + channel;
#pragma unroll
  for (int i = 0; i < N; ++i) to[i] = sum[i];
}

// Threads of a block along the channels, and how many blocks these take.
struct Columns {
  int threads;
  int blocks;
};
Columns columns_of(int packs) {
  int threads = 1;
  while (threads < 32 && threads < packs) threads *= 2;
  return {threads, std::max((packs + threads - 1) / threads, 1)};
}

int parts_of(int rows, const Columns& columns) {
  const int least = kPoolThreads / columns.threads * kLeastRows;
  const int wanted = std::min((rows + least - 1) / least, kMostParts / columns.blocks);
  return std::max(wanted, 1);
}

template <class T, class Argmax, int N>
void run(int rows, int channels, const Stream& stream, const Buffers& buffers) {
  const Columns columns = columns_of(channels / N);
  const int parts = parts_of(rows, columns);
  const Split split{rows, channels, (rows + parts - 1) / parts};
  const auto width = static_cast<unsigned>(columns.threads);
  auto* partial = static_cast<float*>(buffers.scratch);
  launch("max_pool2d_backward_sum_kernel", max_pool2d_backward_sum_kernel<T, Argmax, N>,
         {.grid = dim3(static_cast<unsigned>(parts), static_cast<unsigned>(columns.blocks)),
          .block = dim3(width, kPoolThreads / width)},
         stream_of(stream), buffers.in<T>(0), buffers.in<Argmax>(1), split, partial);
  sum_parts(stream, partial, parts, channels, buffers.out<float>(0));
}

template <class T, class Argmax>
std::unique_ptr<Kernel> kernel_of(int rows, int channels) {
  constexpr int N = kPoolPack<T>;
  const std::int64_t parts =
      std::max(parts_of(rows, columns_of(channels / N)), parts_of(rows, columns_of(channels)));
  return make_kernel(
      [=](const Stream& stream, const Buffers& buffers) {
        if (fits_pack<T, N>(buffers.inputs[0], channels) &&
            fits_pack<Argmax, N>(buffers.inputs[1], channels)) {
          run<T, Argmax, N>(rows, channels, stream, buffers);
        } else {
          run<T, Argmax, 1>(rows, channels, stream, buffers);
        }
      },
      parts * channels * std::int64_t{sizeof(float)});
}

}  // namespace

std::unique_ptr<Kernel> prepare_max_pool2d_backward_sum(std::int64_t rows, std::int64_t channels,
                                                        DType dtype, DType argmax) {
  constexpr std::int64_t kMost = 0x3fffffff;
  ENGINE_CHECK(rows <= kMost && channels <= kMost, "max_pool2d_backward_sum: ", rows, " rows of ",
               channels, " channels; CUDA takes at most ", kMost);
  const int m = static_cast<int>(rows), c = static_cast<int>(channels);
  if (dtype == DType::f32) {
    return argmax == DType::u8 ? kernel_of<float, std::uint8_t>(m, c)
                               : kernel_of<float, std::int32_t>(m, c);
  }
  return argmax == DType::u8 ? kernel_of<__nv_bfloat16, std::uint8_t>(m, c)
                             : kernel_of<__nv_bfloat16, std::int32_t>(m, c);
}

}  // namespace engine::cuda
