#pragma once

// What convolutions on the tensor cores of 8.x share (mma.sync): tile sizes, the pipeline, and how
// results leave. m, n and k as in conv2d_products(); T is bf16, f16, or f32 whose products are made
// in tf32; sums are f32.
#include <cstdint>

#include "engine/core/cuda/device_code.h"
#include "engine/core/cuda/launch.h"
#include "engine/kernels/conv2d_algorithms.h"
#include "engine/kernels/cuda/conv2d_map.h"
#include "engine/kernels/cuda/conv2d_sum_splits.h"
#include "engine/kernels/cuda/mma_tile.h"
#include "engine/kernels/cuda/ptx/cp_async.h"

namespace engine::cuda {

// A tile of the result, made by kWarpsM x kWarpsN warps. Registers allow kBlocks on a
// multiprocessor, 164 KiB of shared memory (8.0) one of the largest.
template <int kTileM_, int kTileN_, int kWarpsM_, int kWarpsN_, int kStages_, int kBlocks_>
struct Conv2dMmaConfig {
  static constexpr int kTileM = kTileM_, kTileN = kTileN_, kStages = kStages_, kBlocks = kBlocks_;
  static constexpr int kWarpsM = kWarpsM_, kWarpsN = kWarpsN_, kThreads = 32 * kWarpsM * kWarpsN;
  static constexpr int kWarpTileM = kTileM / kWarpsM, kWarpTileN = kTileN / kWarpsN;
  static constexpr int kABytes = mma_tile_bytes(kTileM), kBBytes = mma_tile_bytes(kTileN);
  static constexpr int kStageBytes = kABytes + kBBytes, kSharedBytes = kStages * kStageBytes;
};
using MmaConfig128x128 = Conv2dMmaConfig<128, 128, 2, 4, 3, 2>;  // 96 KiB
using MmaConfig128x64 = Conv2dMmaConfig<128, 64, 4, 2, 3, 2>;    // 72 KiB
using MmaConfig64x64 = Conv2dMmaConfig<64, 64, 2, 2, 3, 3>;      // 48 KiB
using MmaConfig128x32 = Conv2dMmaConfig<128, 32, 4, 1, 4, 2>;    // 80 KiB, forward only

// The same where an operand may be read word by word (f32 in lines along the rows): that takes more
// addresses than registers allow two of the largest blocks.
template <class T, class C>
inline constexpr int kMmaWordBlocks = sizeof(T) == 4 && C::kTileM* C::kTileN == 128 * 128
                                          ? 1
                                          : C::kBlocks;

// Where a block is: its tile, its group (and phase) and its part of k, in steps of kMmaTerms<T>.
template <class C>
struct MmaBlock {
  int first_m, first_n, batch, split;

  __device__ explicit MmaBlock(int n) {
    const int columns = (n + C::kTileN - 1) / C::kTileN;
    // Blocks that run at the same time share a tile of A, the larger operand.
    first_m = static_cast<int>(blockIdx.x) / columns * C::kTileM;
    first_n = static_cast<int>(blockIdx.x) % columns * C::kTileN;
    batch = static_cast<int>(blockIdx.y);
    split = static_cast<int>(blockIdx.z);
  }
  // The first step of part `split` of `steps`.
  static __device__ int step_of(int steps, int split, int splits) {
    return static_cast<int>(static_cast<std::int64_t>(steps) * split / splits);
  }
};

// The share of one thread when a tile of kRows rows is copied: chunk() of each of kLines lines.
template <int kRows, int kThreads>
struct MmaLines {
  static constexpr int kLinesAtOnce = kThreads / 8, kLines = kRows / kLinesAtOnce;
  static_assert(kRows % kLinesAtOnce == 0 && kLinesAtOnce % 8 == 0);

  static __device__ int chunk() { return static_cast<int>(threadIdx.x) & 7; }
  static __device__ int line(int i) { return static_cast<int>(threadIdx.x) / 8 + i * kLinesAtOnce; }
};

// Where lines run along the rows: a thread copies a chunk of each of kParts lines, of each of
// kTerms terms.
template <class T, int kRows, int kThreads>
struct MmaRowLines {
  static constexpr int kLinesAtOnce = kThreads / 8;
  static constexpr int kParts = kRows / kMmaLineElements<T>, kTerms = kMmaTerms<T> / kLinesAtOnce;
  static_assert(kRows % kMmaLineElements<T> == 0 && kMmaTerms<T> % kLinesAtOnce == 0);

  static __device__ int row(int part) {
    return part * kMmaLineElements<T> + (static_cast<int>(threadIdx.x) & 7) * kMmaChunk<T>;
  }
  static __device__ int term(int i) { return static_cast<int>(threadIdx.x) / 8 + i * kLinesAtOnce; }
  static __device__ std::uint32_t place(int part, int i) {
    return mma_chunk<T, false>(part * kMmaTerms<T> + term(i), static_cast<int>(threadIdx.x) & 7);
  }
};

// Images as a matrix: a row is a window, its terms are (tap, channel), kMmaChunk<T> of which are
// one copy.
template <class T>
struct Windows {
  const T* images;  // at the group's first channel
  int h, w, channels;
  int taps, step_h, step_w;  // from tap to tap
  FastDivisor by_taps_w, by_chunks;
};

// Lines along the terms. The pixel of a row's first tap is given by origin(row), outside of the
// image where there is no such row. The loop over k has two divisions by multiplication; all else
// is computed before it.
template <class T, int kRows, int kThreads>
class WindowLoader : MmaLines<kRows, kThreads> {
  using Lines = MmaLines<kRows, kThreads>;

 public:
  template <class Origin>
  __device__ WindowLoader(const Windows<T>& windows, int first_row, const Origin& origin)
      : windows_(windows) {
#pragma unroll
    for (int i = 0; i < Lines::kLines; ++i) {
      const PixelPosition at = origin(first_row + Lines::line(i));
      h_[i] = at.h;
      w_[i] = at.w;
      pixel_[i] = index_of(at.image * windows.h + at.h, at.w);
    }
  }

  __device__ __forceinline__ void load(std::uint32_t tile, int step) const {
    const int chunk = step * (kMmaTerms<T> / kMmaChunk<T>)+Lines::chunk();
    const int tap = windows_.by_chunks.quotient(chunk);
    const int tap_h = windows_.by_taps_w.quotient(tap);
    const int tap_w = tap - tap_h * windows_.by_taps_w.divisor();
    const int channel = (chunk - tap * windows_.by_chunks.divisor()) * kMmaChunk<T>;
    const int w = tap_w * windows_.step_w;
    int h = tap_h * windows_.step_h;
    const T* from = windows_.images + channel;
    const int pixel = index_of(h, w);
    if (tap >= windows_.taps) h = kNowhere;
#pragma unroll
    for (int i = 0; i < Lines::kLines; ++i) {
      const bool is_inside = is_within(h_[i] + h, windows_.h) && is_within(w_[i] + w, windows_.w);
      ptx::cp_async_or_zero<16>(
          tile + mma_chunk<T, true>(Lines::line(i), Lines::chunk()),
          is_inside ? from + static_cast<std::int64_t>(pixel_[i] + pixel) * windows_.channels
                    : windows_.images,
          is_inside);
    }
  }

 private:
  // A pixel's index; what lies outside of all images may wrap around and is not used.
  __device__ int index_of(int row, int column) const {
    return static_cast<int>(static_cast<unsigned>(row) * static_cast<unsigned>(windows_.w) +
                            static_cast<unsigned>(column));
  }

  Windows<T> windows_;
  int h_[Lines::kLines], w_[Lines::kLines], pixel_[Lines::kLines];
};

// sums += A * B over steps [begin, end). A ring of stages: a stage is loaded while the ones before
// it are multiplied.
template <class T, class C, bool kAAlongTerms, bool kBAlongTerms, class ALoader, class BLoader>
__device__ __forceinline__ void multiply_steps(MmaSums<T, C::kWarpTileM, C::kWarpTileN>& sums,
                                               const ALoader& a, const BLoader& b, int begin,
                                               int end, std::uint32_t shared) {
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int row = warp / C::kWarpsN * C::kWarpTileM, column = warp % C::kWarpsN * C::kWarpTileN;
  int next = 0;  // the stage to load
  const auto load = [&](int step) {
    if (step < end) {
      const std::uint32_t at = shared + next * C::kStageBytes;
      a.load(at, step);
      b.load(at + C::kABytes, step);
    }
    ptx::cp_async_commit();
    next = next == C::kStages - 1 ? 0 : next + 1;
  };
#pragma unroll
  for (int step = 0; step < C::kStages - 1; ++step) load(begin + step);
  int stage = 0;
  for (int step = begin; step < end; ++step) {
    ptx::cp_async_wait<C::kStages - 2>();
    __syncthreads();  // the stage is there, and nobody reads the one that is loaded next
    load(step + C::kStages - 1);
    const std::uint32_t at = shared + stage * C::kStageBytes;
    sums.template multiply<kAAlongTerms, kBAlongTerms>(at, at + C::kABytes, row, column);
    stage = stage == C::kStages - 1 ? 0 : stage + 1;
  }
  __syncthreads();  // the stages may be overwritten
}

// Where results go. offset(row) is that of a row's first column, or less than 0 outside.
struct MmaTarget {
  void* out;          // T, or f32 where the result is the gradient of the weights
  float* partials;    // null: `out` is written; else the sums of this split
  const float* bias;  // null, or at the group's first channel
  int n;              // columns
  bool is_aligned;    // kMmaChunk<T> neighbours may be written at once
  Activation activation;
};

// f32 from registers: two neighbours, so that a quarter warp writes the 32 bytes of a sector.
template <class C, class Sums, class Offset>
__device__ __forceinline__ void store_sums(const Sums& sums, float* to, const MmaTarget& target,
                                           int first_m, int first_n, const Offset& offset) {
  const int warp = static_cast<int>(threadIdx.x) / 32;
  sums.for_each_pair(first_m + warp / C::kWarpsN * C::kWarpTileM,
                     first_n + warp % C::kWarpsN * C::kWarpTileN,
                     [&](int row, int column, const float(&pair)[2]) {
                       const std::int64_t at = offset(row);
                       if (at < 0 || column >= target.n) return;
                       if (target.is_aligned) {
                         *reinterpret_cast<Pack<float, 2>*>(to + at + column) = {pair[0], pair[1]};
                       } else {
                         to[at + column] = pair[0];
                         if (column + 1 < target.n) to[at + column + 1] = pair[1];
                       }
                     });
}

// T, with bias and activation, through shared memory: 16 bytes a thread, neighbours side by side.
template <class T, class C, class Sums, class Offset>
__device__ __forceinline__ void store_finished(const Sums& sums, T* tile, const MmaTarget& target,
                                               int first_m, int first_n, const Offset& offset) {
  constexpr int kLine = C::kTileN + 8;  // spreads rows over the banks
  static_assert(C::kTileM * kLine * static_cast<int>(sizeof(T)) <= C::kSharedBytes);
  const int warp = static_cast<int>(threadIdx.x) / 32;
  sums.for_each_pair(warp / C::kWarpsN * C::kWarpTileM, warp % C::kWarpsN * C::kWarpTileN,
                     [&](int row, int column, const float(&pair)[2]) {
                       Pack<T, 2> pack;
#pragma unroll
                       for (int i = 0; i < 2; ++i) {
                         const int channel = first_n + column + i;
                         const float bias = target.bias == nullptr || channel >= target.n
                                                ? 0.0f
                                                : target.bias[channel];
                         pack.values[i] = store<T>(activate(pair[i] + bias, target.activation));
                       }
                       *reinterpret_cast<Pack<T, 2>*>(tile + row * kLine + column) = pack;
                     });
  __syncthreads();
  constexpr int kChunk = kMmaChunk<T>, kPacks = C::kTileN / kChunk;
  for (int i = static_cast<int>(threadIdx.x); i < C::kTileM * kPacks; i += C::kThreads) {
    const int row = i / kPacks, column = i % kPacks * kChunk;
    const std::int64_t at = offset(first_m + row);
    if (at < 0 || first_n + column >= target.n) continue;
    const auto pack = *reinterpret_cast<const Pack<T, kChunk>*>(tile + row * kLine + column);
    T* to = static_cast<T*>(target.out) + at + first_n + column;
    if (target.is_aligned) {
      *reinterpret_cast<Pack<T, kChunk>*>(to) = pack;
    } else {
      for (int j = 0; j < kChunk && first_n + column + j < target.n; ++j) to[j] = pack.values[j];
    }
  }
}

template <class T, class C, class Sums, class Offset>
__device__ __forceinline__ void store_tile(const Sums& sums, char* shared, const MmaTarget& target,
                                           const MmaBlock<C>& block, const Offset& offset) {
  if (target.partials != nullptr) {
    store_sums<C>(sums, target.partials, target, block.first_m, block.first_n, offset);
  } else {
    store_finished<T, C>(sums, reinterpret_cast<T*>(shared), target, block.first_m, block.first_n,
                         offset);
  }
}

// Host side: what a direction's kernel is launched with.
struct MmaLaunch {
  Conv2dMap map;
  LaunchConfig config;
  SplitSum sum;
};
// `rows` is m, or for strided gradients of the data that of the largest phase; `batch` is the
// number of groups, times phases.
template <class T, class C>
MmaLaunch mma_launch(const Conv2dPlan& plan, DType out, std::int64_t rows, std::int64_t batch) {
  const Conv2dProducts products = conv2d_products(plan.direction, plan.problem);
  const std::int64_t tiles =
      (rows + C::kTileM - 1) / C::kTileM * ((products.n + C::kTileN - 1) / C::kTileN);
  ENGINE_CHECK(tiles < (std::int64_t{1} << 31), "conv2d ", plan.direction, ' ', plan.problem, ": ",
               tiles, " tiles are too many for a CUDA grid");
  return {.map = conv2d_map(plan.problem, kMmaChunk<T>),
          .config = {.grid = dim3(static_cast<unsigned>(tiles), static_cast<unsigned>(batch),
                                  static_cast<unsigned>(plan.choice.splits)),
                     .block = dim3(C::kThreads),
                     .shared_bytes = C::kSharedBytes},
          .sum = {.count = products.m * products.n * products.count,
                  .splits = plan.choice.splits,
                  .channels = static_cast<int>(products.n * products.count),
                  .out_dtype = out,
                  .activation = plan.activation}};
}

// The target of one launch; kernels move `partials` and `bias` to their split and group.
inline MmaTarget mma_target(const MmaLaunch& launch, int n, bool is_aligned,
                            const Buffers& buffers) {
  return {.out = buffers.outputs[0],
          .partials = launch.sum.splits > 1 ? static_cast<float*>(buffers.scratch) : nullptr,
          .bias = buffers.inputs.size() > 2 ? buffers.in<float>(2) : nullptr,
          .n = n,
          .is_aligned = is_aligned,
          .activation = launch.sum.activation};
}

inline void finish_splits(const Stream& stream, const MmaLaunch& launch, const MmaTarget& target) {
  if (launch.sum.splits == 1) return;
  sum_splits(stream_of(stream), launch.sum, target.partials, target.bias, target.out);
}

template <class Make>
std::unique_ptr<Kernel> with_mma_type(DType dtype, const Make& make) {
  switch (dtype) {
    case DType::f32:
      return make(float());
    case DType::f16:
      return make(__half());
    default:
      return make(__nv_bfloat16());
  }
}

// Calls make(T(), config) for the plan's type and tile. The closed list of what is compiled.
template <class Make>
std::unique_ptr<Kernel> with_mma_config(const Conv2dPlan& plan, DType dtype, const Make& make) {
  const auto with_type = [&](auto config) {
    return with_mma_type(dtype, [&](auto type) { return make(type, config); });
  };
  if (plan.choice.tile_m == 64) return with_type(MmaConfig64x64());
  if (plan.choice.tile_n == 64) return with_type(MmaConfig128x64());
  return with_type(MmaConfig128x128());
}

}  // namespace engine::cuda
