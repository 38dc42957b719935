#include "engine/kernels/conv2d_choice.h"

#include <algorithm>
#include <limits>
#include <ostream>

#include "engine/kernels/ceil_div.h"
#include "engine/kernels/conv2d_special.h"

namespace engine::cuda {
namespace {

constexpr std::int64_t kMostGridYz = 65535;
constexpr std::int64_t kWgmmaChannels = 64;  // that one copy brings

// The last one is for the forward direction only: filters lie in shared memory by 64 terms, and so
// may be any multiple of 16; the other directions need 64 channels side by side.
constexpr Conv2dMmaTile kMmaTiles[] = {
    {128, 128, 2, 96, 0.75},
    {128, 64, 2, 72, 0.7},
    {64, 64, 3, 48, 0.6},
    {128, 32, 2, 80, 0.55},
};

// Blocks that share a multiprocessor. Its shared memory has room for them and 1 KiB more each (CUDA
// C++ Programming Guide, "Compute Capabilities").
std::int64_t blocks_of(const Conv2dMmaTile& tile, const Gpu& gpu) {
  return std::clamp(gpu.shared_kib / (tile.shared_kib + 1), 1, tile.most_blocks);
}

// The product of mma as its grid sees it: gradients of the data with a stride are one product for
// each phase of the input pixels, with a share of the taps each.
struct MmaWork {
  std::int64_t m, n, steps, batch, outputs;
};
MmaWork mma_work(const Conv2dQuery& query) {
  const std::int64_t terms = query.dtype == DType::f32 ? 32 : 64;
  const Conv2dProducts products = conv2d_products(query.direction, query.problem);
  const Extent2d& stride = query.problem.geometry.stride;
  const bool has_phases = query.direction == Conv2dDirection::backward_data;
  const std::int64_t phases = has_phases ? stride.h * stride.w : 1;
  return {.m = ceil_div(products.m, phases),
          .n = products.n,
          .steps = std::max<std::int64_t>(ceil_div(products.k, terms * phases), 1),
          .batch = products.count * phases,
          .outputs = products.m * products.n * products.count};
}

// Cycles of a multiprocessor, roughly. Blocks that share it take turns on the tensor cores; one
// that is alone waits for memory in each step.
double mma_cycles(const MmaWork& work, const Conv2dMmaTile& tile, std::int64_t splits,
                  const Gpu& gpu) {
  constexpr double kRate = 1024;         // multiply-adds a cycle, of bf16; tf32 has half as many of
                                         // both, a cycle and a step
  constexpr double kStepLatency = 350;   // cycles; stages hide the rest
  constexpr double kBlockCycles = 2000;  // until the first product, and for the results
  constexpr double kSumCycles = 3000;    // the second launch
  constexpr double kL2Bytes = 20;        // a cycle and multiprocessor
  const std::int64_t room = blocks_of(tile, gpu);
  const double products = tile.m * tile.n * 64;
  const std::int64_t blocks =
      ceil_div(work.m, tile.m) * ceil_div(work.n, tile.n) * work.batch * splits;
  const double steps = static_cast<double>(ceil_div(work.steps, splits));
  const auto round = [&](std::int64_t together) {
    if (together == 0) return 0.0;
    const auto count = static_cast<double>(together);
    const double rate = kRate * tile.efficiency * (0.5 + 0.5 * count / static_cast<double>(room));
    return kBlockCycles + steps * std::max(count * products / rate, kStepLatency);
  };
  const std::int64_t each = ceil_div(blocks, gpu.multiprocessors);
  double cycles = static_cast<double>(each / room) * round(room) + round(each % room);
  if (splits > 1) {
    const double bytes = 8.0 * static_cast<double>(work.outputs * splits);
    cycles += kSumCycles + bytes / (kL2Bytes * gpu.multiprocessors);
  }
  return cycles;
}

}  // namespace

std::ostream& operator<<(std::ostream& out, Conv2dDirection direction) {
  switch (direction) {
    case Conv2dDirection::forward:
      return out << "forward";
    case Conv2dDirection::backward_data:
      return out << "backward_data";
    case Conv2dDirection::backward_weights:
      return out << "backward_weights";
  }
  return out;
}

std::ostream& operator<<(std::ostream& out, Conv2dAlgorithm algorithm) {
  switch (algorithm) {
    case Conv2dAlgorithm::plain:
      return out << "plain";
    case Conv2dAlgorithm::few_channels:
      return out << "few_channels";
    case Conv2dAlgorithm::depthwise:
      return out << "depthwise";
    case Conv2dAlgorithm::mma:
      return out << "mma";
    case Conv2dAlgorithm::wgmma:
      return out << "wgmma";
  }
  return out;
}

std::ostream& operator<<(std::ostream& out, const Conv2dChoice& choice) {
  out << choice.algorithm;
  if (choice.algorithm == Conv2dAlgorithm::few_channels ||
      choice.algorithm == Conv2dAlgorithm::depthwise) {
    return out;
  }
  out << ' ' << choice.tile_m << 'x' << choice.tile_n;
  if (choice.splits > 1) out << ", " << choice.splits << " splits";
  return out;
}

Conv2dProducts conv2d_products(Conv2dDirection direction, const Conv2dProblem& problem) {
  const Conv2dProblem& p = problem;
  const std::int64_t groups = p.geometry.groups, ic = p.ic / groups, oc = p.oc / groups;
  const std::int64_t taps = p.kh * p.kw, pixels = p.n * p.oh * p.ow;
  switch (direction) {
    case Conv2dDirection::forward:
      return {.m = pixels, .n = oc, .k = taps * ic, .count = groups};
    case Conv2dDirection::backward_data:
      return {.m = p.n * p.ih * p.iw, .n = ic, .k = taps * oc, .count = groups};
    case Conv2dDirection::backward_weights:
      return {.m = oc, .n = taps * ic, .k = pixels, .count = groups};
  }
  return {};
}

// The gradient of the weights has few outputs and long sums: parts of the sums fill the GPU, as
// long as each is worth the partial results that it stores.
Conv2dChoice choose_conv2d_plain(const Conv2dQuery& query) {
  constexpr std::int64_t kTile = 64, kShortest = 256, kMost = 64, kBlocksEach = 4;
  Conv2dChoice choice{.algorithm = Conv2dAlgorithm::plain, .tile_m = kTile, .tile_n = kTile};
  if (query.direction != Conv2dDirection::backward_weights) return choice;
  const Conv2dProducts products = conv2d_products(query.direction, query.problem);
  const std::int64_t tiles =
      ceil_div(products.m, kTile) * ceil_div(products.n, kTile) * products.count;
  const std::int64_t wanted = ceil_div(kBlocksEach * query.gpu.multiprocessors, tiles);
  const std::int64_t useful = std::max<std::int64_t>(products.k / kShortest, 1);
  const std::int64_t possible = std::max<std::int64_t>(kMostGridYz / products.count, 1);
  choice.splits = static_cast<int>(std::min({wanted, useful, possible, kMost}));
  return choice;
}

std::span<const Conv2dMmaTile> conv2d_mma_tiles(Conv2dDirection direction) {
  const std::span<const Conv2dMmaTile> tiles = kMmaTiles;
  return direction == Conv2dDirection::forward ? tiles : tiles.first(3);
}

bool conv2d_mma_takes(const Conv2dQuery& query) {
  const Conv2dProblem& p = query.problem;
  const std::int64_t group_ic = p.ic / p.geometry.groups, group_oc = p.oc / p.geometry.groups;
  const bool is_f32 = query.dtype == DType::f32;
  // Copies are of 16 bytes of channels: those of x forward, and those of dy backward too.
  const std::int64_t chunk = is_f32 ? 4 : 8;
  const bool needs_oc = query.direction != Conv2dDirection::forward;
  // Offsets within an image and within the weights have 32 bits.
  constexpr std::int64_t kMostElements = std::int64_t{1} << 30;
  if (std::max({p.ih * p.iw * p.ic, p.oh * p.ow * p.oc, p.w_shape().elements()}) > kMostElements) {
    return false;
  }
  return (!is_f32 || query.allows_tf32) && query.gpu.capability >= 80 && p.n > 0 &&
         group_ic % chunk == 0 && (!needs_oc || group_oc % chunk == 0) &&
         mma_work(query).batch <= kMostGridYz;
}

Conv2dChoice choose_conv2d_mma(const Conv2dQuery& query) {
  constexpr std::int64_t kSplits[] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64};
  constexpr std::int64_t kMostPartialBytes = std::int64_t{256} << 20;
  const MmaWork work = mma_work(query);
  Conv2dChoice best;
  double fewest = 0;
  for (Conv2dMmaTile tile : conv2d_mma_tiles(query.direction)) {
    // kMmaWordBlocks of kernels/cuda/conv2d_mma.h.
    const bool reads_words =
        query.dtype == DType::f32 && query.direction != Conv2dDirection::forward;
    if (reads_words && tile.m * tile.n == 128 * 128) tile.most_blocks = 1;
    for (const std::int64_t splits : kSplits) {
      const bool is_possible =
          splits == 1 || (splits <= work.steps && 4 * splits * work.outputs <= kMostPartialBytes);
      if (!is_possible) break;
      const double cycles = mma_cycles(work, tile, splits, query.gpu);
      if (fewest > 0 && cycles >= fewest) continue;
      fewest = cycles;
      best = {.algorithm = Conv2dAlgorithm::mma,
              .tile_m = tile.m,
              .tile_n = tile.n,
              .splits = static_cast<int>(splits)};
    }
  }
  return best;
}

bool conv2d_wgmma_takes(const Conv2dQuery& query) {
  const Conv2dProblem& p = query.problem;
  const Extent2d& stride = p.geometry.stride;
  const bool is_divided =
      p.ih % stride.h == 0 && p.iw % stride.w == 0 && (stride.w == 1 || p.ic % kWgmmaChannels == 0);
  const Conv2dProducts products = conv2d_products(query.direction, p);
  return query.direction == Conv2dDirection::forward && query.dtype == DType::bf16 &&
         query.gpu.capability == 90 && p.geometry.groups == 1 && p.ic % 8 == 0 && is_divided &&
         products.m > 0 && products.n > 0 && products.k > 0 &&
         products.m <= std::numeric_limits<std::int32_t>::max() / 2;
}

// Filters outside of y are computed for nothing; wide tiles read less of x.
Conv2dChoice choose_conv2d_wgmma(const Conv2dQuery& query) {
  struct Tile {
    int n;
    double cost;  // of a column, relative to the widest tile: a guess until a GPU is at hand
  };
  constexpr Tile kTiles[] = {{256, 1}, {128, 1.15}, {64, 1.5}};
  const Conv2dProducts products = conv2d_products(query.direction, query.problem);
  Conv2dChoice best{.algorithm = Conv2dAlgorithm::wgmma, .tile_m = 128};
  double least = 0;
  for (const Tile& tile : kTiles) {
    const std::int64_t columns = ceil_div(products.n, tile.n);
    const std::int64_t tiles = ceil_div(products.m, best.tile_m) * columns;
    const std::int64_t rounds = ceil_div(tiles, query.gpu.multiprocessors);
    const double cost = static_cast<double>(rounds * tile.n) * tile.cost;
    if (least > 0 && cost >= least) continue;
    least = cost;
    best.tile_n = tile.n;
  }
  return best;
}

Conv2dChoice choose_conv2d(const Conv2dQuery& query) {
  if (depthwise_takes(query.problem, query.dtype)) return {.algorithm = Conv2dAlgorithm::depthwise};
  if (few_channels_takes(query.direction, query.problem, query.dtype)) {
    return {.algorithm = Conv2dAlgorithm::few_channels};
  }
  // Products with few tiles are left to mma, which splits their sums.
  if (conv2d_wgmma_takes(query)) {
    const Conv2dChoice choice = choose_conv2d_wgmma(query);
    const Conv2dProducts products = conv2d_products(query.direction, query.problem);
    const std::int64_t tiles =
        ceil_div(products.m, choice.tile_m) * ceil_div(products.n, choice.tile_n);
    if (tiles >= query.gpu.multiprocessors / 2) return choice;
  }
  return conv2d_mma_takes(query) ? choose_conv2d_mma(query) : choose_conv2d_plain(query);
}

}  // namespace engine::cuda
