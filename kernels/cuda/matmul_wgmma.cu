// Products for 9.0a: TMA, wgmma, warp-specialised and persistent. m, n, k: y [m, n] = op(a) [m, k]
// op(b) [k, n].
#include <algorithm>
#include <cstdint>

#include "engine/core/cuda/launch.h"
#include "engine/kernels/ceil_div.h"
#include "engine/kernels/cuda/matmul_epilogue.h"
#include "engine/kernels/cuda/packs.h"
#include "engine/kernels/cuda/tensor_map.h"
#include "engine/kernels/cuda/wgmma_tile.h"

namespace engine::cuda {

// What a cluster does in turn: a tile of its height and one part of k. Eight rows of tiles go
// together, so that the blocks that run at a time read few lines of a and b.
struct MatmulWgmmaWork {
  int rows, columns;  // of tiles
  int splits, steps;  // steps of 64 terms in all, of which a part has steps_per_part
  int steps_per_part;

  struct Item {
    int row, column, part;  // of tiles
    int first_step, steps;
  };
  __device__ int count() const { return rows * columns * splits; }
  __device__ Item item(int index) const {
    constexpr int kGroup = 8;
    const int tile = index / splits, part = index % splits;
    const int first = tile / (kGroup * columns) * kGroup, height = min(kGroup, rows - first);
    const int in_group = tile % (kGroup * columns), step = part * steps_per_part;
    return {first + in_group % height, in_group / height, part, step,
            min(steps_per_part, steps - step)};
  }
};

namespace {

// A block makes 128 x kTileN at a time; kCluster blocks, below each other, share b.
template <int kTileN, int kCluster_, int kStages>
struct Config {
  using Ring = WgmmaRing<kTileN, kStages>;
  static constexpr int kCluster = kCluster_;
};
using Large = Config<256, 2, 4>;  // 192 KiB; the cluster makes 256 x 256
using Small = Config<128, 1, 6>;  // 192 KiB

#ifdef ENGINE_PTX_SM90

// kRows rows from `row` on into consecutive blocks of 64 rows at `to`.
template <int kRows, bool kAlongTerms, int kCluster>
__device__ __forceinline__ void load_rows(std::uint32_t to, const CUtensorMap& map,
                                          std::uint32_t full, int row, int term) {
  const auto load = [&](std::uint32_t at, int x, int y) {
    if constexpr (kCluster == 1) {
      ptx::tma_load(at, &map, full, x, y);
    } else {
      ptx::tma_load_multicast(at, &map, full, std::uint16_t{(1 << kCluster) - 1}, x, y);
    }
  };
  if constexpr (kAlongTerms) {
    load(to, term, row);
  } else {
#pragma unroll
    for (int i = 0; i < kRows; i += 64) {
      load(to + static_cast<std::uint32_t>(i * kWgmmaLineBytes), row + i, term);
    }
  }
}

template <class C, bool kAAlongTerms, bool kBAlongTerms>
__device__ __forceinline__ void produce(const typename C::Ring& ring, const CUtensorMap& a,
                                        const CUtensorMap& b, const MatmulWgmmaWork& work,
                                        int rank) {
  constexpr int kShare = C::Ring::kTileN / C::kCluster;  // of b, by each block of the cluster
  RingPosition<typename C::Ring> at;
  const int clusters = static_cast<int>(gridDim.x) / C::kCluster;
  for (int i = static_cast<int>(blockIdx.x) / C::kCluster; i < work.count(); i += clusters) {
    const MatmulWgmmaWork::Item item = work.item(i);
    const int row = (item.row * C::kCluster + rank) * kWgmmaTileM;
    const int column = item.column * C::Ring::kTileN + rank * kShare;
    for (int step = 0; step < item.steps; ++step, ++at.index) {
      const int stage = open_stage(ring, at), term = (item.first_step + step) * kWgmmaTerms;
      const std::uint32_t full = ring.full(stage);
      load_rows<kWgmmaTileM, kAAlongTerms, 1>(ring.a(stage), a, full, row, term);
      const auto share = static_cast<std::uint32_t>(rank * kShare * kWgmmaLineBytes);
      load_rows<kShare, kBAlongTerms, C::kCluster>(ring.b(stage) + share, b, full, column, term);
    }
  }
}

template <class C, bool kAAlongTerms, bool kBAlongTerms>
__device__ __forceinline__ void consume(const typename C::Ring& ring, const MatmulOutput& output,
                                        const MatmulWgmmaWork& work, int rank, int half) {
  RingPosition<typename C::Ring> at;
  const int clusters = static_cast<int>(gridDim.x) / C::kCluster;
  for (int i = static_cast<int>(blockIdx.x) / C::kCluster; i < work.count(); i += clusters) {
    const MatmulWgmmaWork::Item item = work.item(i);
    float d[C::Ring::kTileN / 2];
    multiply_stages<C::kCluster, kAAlongTerms, kBAlongTerms>(d, ring, at, item.steps, half);
    const int row = (item.row * C::kCluster + rank) * kWgmmaTileM + half * 64;
    const int column = item.column * C::Ring::kTileN;
    for_each_wgmma_pair(d, [&](int y, int x, const float(&pair)[2]) {
      output.write(pair, item.part, row + y, column + x);
    });
  }
}

#endif

// One thread of the first warpgroup loads, the other two warpgroups make 64 rows of the block's
// tile each and write them from registers, while the next tile's stages arrive. Floor: 2 m n k
// operations on the tensor cores; a cluster's 256 x 256 tile reads 1/64 byte of global memory or L2
// cache for each of its multiply-adds, a block's 128 x 128 tile 1/32.
template <class C, bool kAAlongTerms, bool kBAlongTerms>
__global__ void __launch_bounds__(kWgmmaThreads, 1)
    matmul_wgmma_kernel(const __grid_constant__ CUtensorMap a,
                        const __grid_constant__ CUtensorMap b,
                        const __grid_constant__ MatmulWgmmaWork work,
                        const __grid_constant__ MatmulOutput output) {
#ifdef ENGINE_PTX_SM90
  ENGINE_DYNAMIC_SHARED(char, memory);
  const typename C::Ring ring{ptx::shared_address(memory)};
  const int rank = start_block<C::kCluster>(ring, a, b);
  run_warpgroups<C::kCluster>(
      [&] { produce<C, kAAlongTerms, kBAlongTerms>(ring, a, b, work, rank); },
      [&](int half) { consume<C, kAAlongTerms, kBAlongTerms>(ring, output, work, rank, half); });
#endif
}

// [rows, terms] in boxes of 64 terms, or [terms, rows] in boxes of 64 rows.
TensorMapShape<2> operand_shape(std::int64_t rows, std::int64_t terms, bool is_along_terms,
                                int box_rows) {
  if (is_along_terms) return {.sizes = {terms, rows}, .box = {kWgmmaTerms, box_rows}};
  return {.sizes = {rows, terms}, .box = {64, kWgmmaTerms}};
}

template <class C, bool kAAlongTerms, bool kBAlongTerms>
class WgmmaProduct final : public Kernel {
 public:
  WgmmaProduct(const MatmulProblem& problem, Activation activation, const MatmulChoice& choice,
               const PrepareContext& context, std::unique_ptr<Kernel> instead)
      : problem_(problem),
        activation_(activation),
        choice_(choice),
        out_(context.outputs[0].dtype),
        instead_(std::move(instead)) {
    const auto tiles = [](std::int64_t size, std::int64_t tile) {
      return static_cast<int>(ceil_div(size, tile));
    };
    constexpr int kTerms = kWgmmaTerms;
    work_ = {.rows = tiles(problem.m, kWgmmaTileM * C::kCluster),
             .columns = tiles(problem.n, C::Ring::kTileN),
             .splits = choice.splits,
             .steps = tiles(problem.k, kTerms),
             .steps_per_part = static_cast<int>(split_length(problem, choice)) / kTerms};
    const int items = work_.rows * work_.columns * work_.splits;
    const int most = std::max(gpu_of(context.device).multiprocessors / C::kCluster, 1);
    blocks_ = std::min(items, most) * C::kCluster;
  }

  std::int64_t scratch_bytes() const override {
    return std::max(split_bytes(problem_, choice_), instead_->scratch_bytes());
  }
  std::string describe() const override { return join(choice_); }

  void run(const Stream& stream, const Buffers& buffers) override {
    const void *a = buffers.inputs[0], *b = buffers.inputs[1];
    if (!are_aligned(a, b)) {
      instead_->run(stream, buffers);
      return;
    }
    const CUtensorMap a_map =
        encode_(a, operand_shape(problem_.m, problem_.k, kAAlongTerms, kWgmmaTileM));
    const CUtensorMap b_map = encode_(
        b, operand_shape(problem_.n, problem_.k, kBAlongTerms, C::Ring::kTileN / C::kCluster));
    const auto output = matmul_output(problem_, activation_, choice_, out_, buffers);
    const LaunchConfig config{.grid = dim3(static_cast<unsigned>(blocks_)),
                              .block = dim3(kWgmmaThreads),
                              .shared_bytes = C::Ring::kSharedBytes,
                              .cluster = dim3(C::kCluster)};
    launch("matmul_wgmma_kernel", matmul_wgmma_kernel<C, kAAlongTerms, kBAlongTerms>, config,
           stream_of(stream), a_map, b_map, work_, output);
    launch_matmul_add_parts(output, choice_.splits, stream_of(stream));
  }

 private:
  MatmulProblem problem_;
  Activation activation_;
  MatmulChoice choice_;
  DType out_;
  std::unique_ptr<Kernel> instead_;  // for unaligned tensors
  TensorMapEncoder encode_;
  MatmulWgmmaWork work_ = {};
  int blocks_ = 0;
};

template <class C, bool kAAlongTerms, class... Arguments>
std::unique_ptr<Kernel> wgmma_product(const MatmulProblem& problem, Arguments&&... arguments) {
  if (problem.options.transpose_b) {
    return std::make_unique<WgmmaProduct<C, kAAlongTerms, true>>(
        problem, std::forward<Arguments>(arguments)...);
  }
  return std::make_unique<WgmmaProduct<C, kAAlongTerms, false>>(
      problem, std::forward<Arguments>(arguments)...);
}

template <class C, class... Arguments>
std::unique_ptr<Kernel> wgmma_product(const MatmulProblem& problem, Arguments&&... arguments) {
  if (problem.options.transpose_a) {
    return wgmma_product<C, false>(problem, std::forward<Arguments>(arguments)...);
  }
  return wgmma_product<C, true>(problem, std::forward<Arguments>(arguments)...);
}

}  // namespace

std::unique_ptr<Kernel> prepare_matmul_wgmma(const MatmulProblem& problem, Activation activation,
                                             const MatmulChoice& choice,
                                             const PrepareContext& context,
                                             std::unique_ptr<Kernel> instead) {
  if (choice.tile_n == Large::Ring::kTileN) {
    return wgmma_product<Large>(problem, activation, choice, context, std::move(instead));
  }
  return wgmma_product<Small>(problem, activation, choice, context, std::move(instead));
}

}  // namespace engine::cuda
