#include "engine/apps/data/split.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <sstream>

#include "engine/apps/data/random_numbers.h"
#include "engine/core/errors.h"

namespace engine::apps {
namespace {

// Item numbers of each class, shuffled.
std::vector<std::vector<std::int64_t>> shuffled_classes(std::span<const std::int32_t> labels,
                                                        std::uint64_t seed) {
  std::int32_t classes = 0;
  for (const std::int32_t label : labels) {
    ENGINE_CHECK(label >= 0, "split: label ", label, " is negative");
    classes = std::max(classes, label + 1);
  }
  std::vector<std::vector<std::int64_t>> items(classes);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    items[labels[i]].push_back(static_cast<std::int64_t>(i));
  }
  for (std::size_t c = 0; c < items.size(); ++c) {
    RandomNumbers random(seed, c);
    for (std::size_t i = items[c].size(); i > 1; --i) {
      std::swap(items[c][i - 1], items[c][random.below(static_cast<std::uint32_t>(i))]);
    }
  }
  return items;
}

// `total` items as three counts in the fractions' proportion, by largest remainder; a part with a
// fraction gets one item where there are enough.
std::array<std::int64_t, 3> part_sizes(std::int64_t total, const SplitFractions& fractions) {
  const std::array<double, 3> wanted = {fractions.train * total, fractions.validation * total,
                                        fractions.test * total};
  std::array<std::int64_t, 3> sizes{};
  std::array<double, 3> remainder{};
  for (int p = 0; p < 3; ++p) {
    // A product such as 0.1 * 30 must not fall below the integer that it stands for.
    sizes[p] = static_cast<std::int64_t>(std::floor(wanted[p] + 1e-9));
    remainder[p] = wanted[p] - sizes[p];
  }
  while (sizes[0] + sizes[1] + sizes[2] < total) {
    const auto p = std::max_element(remainder.begin(), remainder.end()) - remainder.begin();
    ++sizes[p];
    remainder[p] -= 1;
  }
  const int parts = (wanted[0] > 0) + (wanted[1] > 0) + (wanted[2] > 0);
  if (total >= parts) {
    for (int p = 0; p < 3; ++p) {
      if (wanted[p] > 0 && sizes[p] == 0) {
        --*std::max_element(sizes.begin(), sizes.end());
        ++sizes[p];
      }
    }
  }
  return sizes;
}

void sort_parts(Split& split) {
  for (auto* part : {&split.train, &split.validation, &split.test}) {
    std::sort(part->begin(), part->end());
  }
}

}  // namespace

SplitFractions parse_split(const std::string& text) {
  std::vector<double> parts;
  std::istringstream stream(text);
  std::string part;
  while (std::getline(stream, part, '/')) {
    std::size_t used = 0;
    double value = -1;
    try {
      value = std::stod(part, &used);
    } catch (const std::exception&) {
      used = 0;
    }
    ENGINE_CHECK(used == part.size() && used > 0 && std::isfinite(value) && value >= 0, "split '",
                 text, "': '", part, "' is not a share; write it as in 80/10/10");
    parts.push_back(value);
  }
  ENGINE_CHECK(parts.size() == 2 || parts.size() == 3, "split '", text, "' has ", parts.size(),
               " parts; write train/validation/test as in 80/10/10");
  const double sum = std::accumulate(parts.begin(), parts.end(), 0.0);
  ENGINE_CHECK(parts[0] > 0, "split '", text, "' leaves nothing to train on");
  return {parts[0] / sum, parts[1] / sum, parts.size() == 3 ? parts[2] / sum : 0.0};
}

Split stratified_split(std::span<const std::int32_t> labels, const SplitFractions& fractions,
                       std::uint64_t seed) {
  const double sum = fractions.train + fractions.validation + fractions.test;
  ENGINE_CHECK(fractions.train >= 0 && fractions.validation >= 0 && fractions.test >= 0 &&
                   std::abs(sum - 1) < 1e-6,
               "split: ", fractions.train, ", ", fractions.validation, " and ", fractions.test,
               " are not shares that sum to 1");
  Split split;
  for (const auto& items : shuffled_classes(labels, seed)) {
    const auto sizes = part_sizes(static_cast<std::int64_t>(items.size()), fractions);
    auto next = items.begin();
    int p = 0;
    for (auto* part : {&split.train, &split.validation, &split.test}) {
      part->insert(part->end(), next, next + sizes[p]);
      next += sizes[p++];
    }
  }
  sort_parts(split);
  return split;
}

std::vector<Split> stratified_folds(std::span<const std::int32_t> labels, int folds,
                                    double validation, std::uint64_t seed) {
  const auto count = static_cast<std::int64_t>(labels.size());
  ENGINE_CHECK(folds >= 2 && folds <= count, "folds: ", folds, " folds of ", count,
               " items; there must be at least 2 and no more than items");
  ENGINE_CHECK(validation >= 0 && validation < 1, "folds: a validation share of ", validation);
  std::vector<int> fold_of(labels.size());
  std::int64_t dealt = 0;  // goes on from class to class, so that the folds' sizes differ by one
  for (const auto& items : shuffled_classes(labels, seed)) {
    for (const std::int64_t item : items) fold_of[item] = static_cast<int>(dealt++ % folds);
  }

  std::vector<Split> splits(folds);
  for (int f = 0; f < folds; ++f) {
    std::vector<std::int64_t> rest;
    std::vector<std::int32_t> rest_labels;
    for (std::int64_t i = 0; i < count; ++i) {
      if (fold_of[i] == f) {
        splits[f].test.push_back(i);
      } else {
        rest.push_back(i);
        rest_labels.push_back(labels[i]);
      }
    }
    const Split inner =
        stratified_split(rest_labels, {1 - validation, validation, 0}, seed + 1 + f);
    for (const std::int64_t i : inner.train) splits[f].train.push_back(rest[i]);
    for (const std::int64_t i : inner.validation) splits[f].validation.push_back(rest[i]);
  }
  return splits;
}

Split default_split(const ImageDataset& dataset, const SplitFractions& fractions,
                    std::uint64_t seed, bool override_own_test) {
  const auto labels = dataset.label_span();
  if (!dataset.test_begin || override_own_test) return stratified_split(labels, fractions, seed);
  const double rest = fractions.train + fractions.validation;
  ENGINE_CHECK(rest > 0, "split: nothing is left to train on");
  Split split = stratified_split(labels.subspan(0, *dataset.test_begin),
                                 {fractions.train / rest, fractions.validation / rest, 0}, seed);
  for (std::int64_t i = *dataset.test_begin; i < dataset.count(); ++i) split.test.push_back(i);
  return split;
}

}  // namespace engine::apps
