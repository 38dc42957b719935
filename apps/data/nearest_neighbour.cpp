#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include <omp.h>

#include "engine/apps/data/baselines.h"
#include "engine/core/cpu_clones.h"
#include "engine/core/errors.h"

namespace engine::apps {
namespace {

// Rows of both sides that are taken together: their 16-bit copies stay in the cache.
constexpr std::int64_t kTestBlock = 64;
constexpr std::int64_t kTrainBlock = 32;
constexpr std::int64_t kTile = 4;
// 255 * 255 * 32768 < 2^31: sums of so many products fit 32 bits.
constexpr std::int64_t kMaxTerms = 32768;

// products[i * kTile + j] += a_i . b_j over `terms` <= kMaxTerms; rows `stride` apart. The compiler
// turns the pairs of 16-bit products into multiply-add instructions.
ENGINE_CPU_CLONES void add_products(const std::int16_t* a, const std::int16_t* b,
                                    std::int64_t stride, std::int64_t terms,
                                    std::int64_t* products) {
  for (std::int64_t i = 0; i < kTile; ++i) {
    const std::int16_t* row = a + i * stride;
    const std::int16_t* b1 = b + stride;
    const std::int16_t* b2 = b1 + stride;
    const std::int16_t* b3 = b2 + stride;
    std::int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    for (std::int64_t k = 0; k < terms; ++k) {
      s0 += row[k] * b[k];
      s1 += row[k] * b1[k];
      s2 += row[k] * b2[k];
      s3 += row[k] * b3[k];
    }
    products[i * kTile] += s0;
    products[i * kTile + 1] += s1;
    products[i * kTile + 2] += s2;
    products[i * kTile + 3] += s3;
  }
}

// Rows of a data set by item number, as 16-bit integers, zero rows up to `rows`.
void widen(std::span<const std::uint8_t> pixels, std::span<const std::int64_t> items,
           std::int64_t row, std::int64_t rows, std::vector<std::int16_t>& out) {
  out.assign(rows * row, 0);
  for (std::size_t i = 0; i < items.size(); ++i) {
    const auto source = pixels.subspan(items[i] * row, row);
    std::copy(source.begin(), source.end(), out.begin() + i * row);
  }
}

std::int64_t squared_norm(std::span<const std::uint8_t> row) {
  std::int64_t sum = 0;
  for (const std::uint8_t value : row) sum += value * value;
  return sum;
}

struct Nearest {
  std::int64_t distance = std::numeric_limits<std::int64_t>::max();
  std::int64_t item = -1;
};

// The nearest of `train` for each of at most kTestBlock `tests`.
void find_nearest(std::span<const std::uint8_t> pixels, std::int64_t row,
                  std::span<const std::int64_t> train, std::span<const std::int64_t> norms,
                  std::span<const std::int64_t> tests, Nearest* nearest) {
  std::vector<std::int16_t> a, b;
  widen(pixels, tests, row, kTestBlock, a);
  const auto count = static_cast<std::int64_t>(train.size());
  const auto test_count = static_cast<std::int64_t>(tests.size());
  for (std::int64_t begin = 0; begin < count; begin += kTrainBlock) {
    const std::int64_t block = std::min(kTrainBlock, count - begin);
    widen(pixels, train.subspan(begin, block), row, kTrainBlock, b);
    for (std::int64_t i = 0; i < test_count; i += kTile) {
      for (std::int64_t j = 0; j < block; j += kTile) {
        std::int64_t products[kTile * kTile] = {};
        for (std::int64_t k = 0; k < row; k += kMaxTerms) {
          add_products(&a[i * row + k], &b[j * row + k], row, std::min(kMaxTerms, row - k),
                       products);
        }
        for (std::int64_t t = 0; t < kTile * kTile; ++t) {
          const std::int64_t test = i + t / kTile;
          const std::int64_t other = begin + j + t % kTile;
          if (test >= test_count || other >= count) continue;
          // The test row's own norm is the same for all.
          const std::int64_t distance = norms[other] - 2 * products[t];
          if (distance < nearest[test].distance) nearest[test] = {distance, train[other]};
        }
      }
    }
  }
}

}  // namespace

BaselineResult nearest_neighbour(const ImageDataset& dataset, const Split& split,
                                 const NearestNeighbourOptions& options) {
  ENGINE_CHECK(!split.train.empty(), "nearest_neighbour: nothing to train on");
  const auto start = std::chrono::steady_clock::now();
  BaselineResult result;
  result.name = "nearest neighbour on raw pixels";
  const auto pixels = dataset.images.span<std::uint8_t>();
  const std::int64_t row = std::int64_t{dataset.height()} * dataset.width() * dataset.channels();

  const double work = static_cast<double>(split.train.size()) * split.test.size() * row;
  const auto step = std::max<std::int64_t>(
      1, static_cast<std::int64_t>(std::ceil(work / options.max_multiply_adds)));
  std::vector<std::int64_t> train, norms;
  for (std::size_t i = 0; i < split.train.size(); i += step) {
    train.push_back(split.train[i]);
    norms.push_back(squared_norm(pixels.subspan(split.train[i] * row, row)));
  }
  if (step > 1) {
    result.note = join("every ", step, "th of ", split.train.size(), " training items");
  }

  const auto tests = static_cast<std::int64_t>(split.test.size());
  std::vector<Nearest> nearest(tests);
  const int threads = options.threads > 0 ? options.threads : omp_get_max_threads();
#pragma omp parallel for schedule(dynamic) num_threads(threads)
  for (std::int64_t begin = 0; begin < tests; begin += kTestBlock) {
    const std::int64_t block = std::min(kTestBlock, tests - begin);
    find_nearest(pixels, row, train, norms, std::span(split.test).subspan(begin, block),
                 &nearest[begin]);
  }

  const auto labels = dataset.label_span();
  result.total = tests;
  for (std::int64_t i = 0; i < tests; ++i) {
    result.predictions.push_back(labels[nearest[i].item]);
    result.correct += result.predictions.back() == labels[split.test[i]];
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace engine::apps
