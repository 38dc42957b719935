#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/apps/data/confidence_interval.h"
#include "engine/apps/data/dataset.h"
#include "engine/apps/data/split.h"

namespace engine::apps {

// How a simple method does on a split's test part.
struct BaselineResult {
  std::string name;  // "nearest neighbour on raw pixels"
  std::string note;  // the regularisation chosen, what was left out; may be empty
  std::int64_t correct = 0;
  std::int64_t total = 0;
  std::vector<std::int32_t> predictions;  // of split.test, in its order
  double seconds = 0;

  double accuracy() const { return total == 0 ? 0 : static_cast<double>(correct) / total; }
  Interval interval() const { return wilson_interval(correct, total); }  // 95 %
};

// Sums correct and total (for the folds of a cross-validation).
BaselineResult add_up(const std::vector<BaselineResult>& folds);

struct NearestNeighbourOptions {
  // Above this many multiply-adds every k-th training item is used, and the note says so. MNIST
  // whole (10,000 x 60,000 x 784) is below it.
  double max_multiply_adds = 1.5e12;
  int threads = 0;
};

// The label of the training item with the least squared Euclidean distance between raw bytes, exact
// in integers; the first of equals. Trains on split.train, tests on split.test.
BaselineResult nearest_neighbour(const ImageDataset& dataset, const Split& split,
                                 const NearestNeighbourOptions& options = {});

// One-vs-all ridge regression with a bias on pictures resized to 8 x 8, trained on all of
// split.train. The penalty is the best of 1e-6 .. 1e3 times the mean diagonal, by accuracy on
// split.validation after training on split.train; where there is no validation part, on a random
// fifth of each class of split.train after training on the rest. Normal equations by Cholesky in
// double.
BaselineResult ridge_on_thumbnails(const ImageDataset& dataset, const Split& split);

}  // namespace engine::apps
