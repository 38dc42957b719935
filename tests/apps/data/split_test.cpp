#include "engine/apps/data/split.h"

#include <algorithm>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "engine/core/errors.h"
#include "throws.h"

namespace engine::apps {
namespace {

// 100 of class 0, 50 of class 1, 7 of class 2, mixed.
std::vector<std::int32_t> mixed_labels() {
  std::vector<std::int32_t> labels;
  for (int i = 0; i < 157; ++i) labels.push_back(i % 22 == 21 ? 2 : i % 3 == 0 ? 1 : 0);
  return labels;
}

std::map<int, int> count(const std::vector<std::int32_t>& labels,
                         const std::vector<std::int64_t>& items) {
  std::map<int, int> counts;
  for (const std::int64_t i : items) ++counts[labels[i]];
  return counts;
}

void expect_partition(const Split& split, std::int64_t total) {
  std::set<std::int64_t> seen;
  for (const auto* part : {&split.train, &split.validation, &split.test}) {
    EXPECT_TRUE(std::is_sorted(part->begin(), part->end()));
    for (const std::int64_t i : *part) EXPECT_TRUE(seen.insert(i).second) << i << " twice";
  }
  EXPECT_EQ(static_cast<std::int64_t>(seen.size()), total);
  ASSERT_FALSE(seen.empty());
  EXPECT_EQ(*seen.rbegin(), total - 1);
}

TEST(Split, IsStratifiedDisjointAndComplete) {
  const auto labels = mixed_labels();
  std::vector<std::int64_t> all(labels.size());
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
  const auto totals = count(labels, all);
  const Split split = stratified_split(labels, {}, 3);
  expect_partition(split, labels.size());
  for (const auto& [label, total] : totals) {
    EXPECT_NEAR(count(labels, split.train)[label], 0.8 * total, 1.01) << label;
    EXPECT_NEAR(count(labels, split.validation)[label], 0.1 * total, 1.01) << label;
    EXPECT_NEAR(count(labels, split.test)[label], 0.1 * total, 1.01) << label;
    EXPECT_GE(count(labels, split.test)[label], 1) << label;
  }
}

TEST(Split, SeedDecides) {
  const auto labels = mixed_labels();
  EXPECT_EQ(stratified_split(labels, {}, 3).test, stratified_split(labels, {}, 3).test);
  EXPECT_NE(stratified_split(labels, {}, 3).test, stratified_split(labels, {}, 4).test);
}

TEST(Split, RoundNumbersAreExact) {
  const std::vector<std::int32_t> labels(30, 0);
  const Split split = stratified_split(labels, {}, 1);
  EXPECT_EQ(split.train.size(), 24u);
  EXPECT_EQ(split.validation.size(), 3u);
  EXPECT_EQ(split.test.size(), 3u);
}

TEST(Split, FoldsTestEveryItemOnce) {
  const auto labels = mixed_labels();
  const auto folds = stratified_folds(labels, 5, 0.1, 7);
  ASSERT_EQ(folds.size(), 5u);
  std::vector<int> tested(labels.size());
  for (const Split& fold : folds) {
    expect_partition(fold, labels.size());
    EXPECT_FALSE(fold.validation.empty());
    for (const std::int64_t i : fold.test) ++tested[i];
    for (const auto& [label, n] : count(labels, fold.test)) {
      const double share = std::count(labels.begin(), labels.end(), label) / 5.0;
      EXPECT_NEAR(n, share, 1.0) << label;
    }
  }
  EXPECT_EQ(tested, std::vector<int>(labels.size(), 1));
  EXPECT_TRUE(stratified_folds(labels, 2, 0, 7)[0].validation.empty());
}

TEST(Split, FoldsOutOfRangeAreRefused) {
  const std::vector<std::int32_t> labels = {0, 1, 0};
  EXPECT_THROWS_WITH(stratified_folds(labels, 4, 0, 1), InvalidArgument, "4 folds of 3 items");
  EXPECT_THROWS_WITH(stratified_folds(labels, 1, 0, 1), InvalidArgument, "1 folds");
}

TEST(Split, Parses) {
  const SplitFractions percent = parse_split("80/10/10");
  EXPECT_DOUBLE_EQ(percent.train, 0.8);
  EXPECT_DOUBLE_EQ(percent.validation, 0.1);
  EXPECT_DOUBLE_EQ(percent.test, 0.1);
  EXPECT_DOUBLE_EQ(parse_split("0.5/0.25/0.25").train, 0.5);
  EXPECT_DOUBLE_EQ(parse_split("90/10").test, 0);
  for (const char* bad : {"", "80", "80/x/10", "80/10/10/5", "-80/90/90", "0/50/50", "nan/1/1",
                          "80/ /20", "80%/10/10"}) {
    EXPECT_THROWS_WITH(parse_split(bad), InvalidArgument, join("'", bad, "'"));
  }
}

}  // namespace
}  // namespace engine::apps
