#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/apps/data/dataset.h"

namespace engine::apps {

struct SplitFractions {
  double train = 0.8;
  double validation = 0.1;
  double test = 0.1;
};

// "80/10/10", "0.8/0.1/0.1" or "90/10" (no test part); scaled to sum to 1. Throws InvalidArgument.
SplitFractions parse_split(const std::string& text);

// Item numbers, each ascending; the parts are disjoint.
struct Split {
  std::vector<std::int64_t> train;
  std::vector<std::int64_t> validation;
  std::vector<std::int64_t> test;
};

// Every class is shuffled by the seed and cut by the fractions, so that each part has the classes
// in the data's proportion; a part with a fraction above 0 gets at least one item of a class that
// has as many items as there are such parts. Deterministic.
Split stratified_split(std::span<const std::int32_t> labels, const SplitFractions& fractions,
                       std::uint64_t seed);

// k splits; every item is in exactly one test part. `validation` is the share of the remaining
// items that is set aside. Throws InvalidArgument unless 2 <= k <= number of items.
std::vector<Split> stratified_folds(std::span<const std::int32_t> labels, int folds,
                                    double validation, std::uint64_t seed);

// The data set's own test part when it has one and `fractions` was not asked for by the user
// (`override_own_test` false): then train and validation share the rest in their proportion.
Split default_split(const ImageDataset& dataset, const SplitFractions& fractions,
                    std::uint64_t seed, bool override_own_test = false);

}  // namespace engine::apps
