#include "engine/apps/cnn/evaluation.h"

#include <cmath>

#include <gtest/gtest.h>

namespace engine::apps::cnn {
namespace {

TEST(Evaluation, TwoClassesFromOneLogit) {
  const std::vector<float> logits = {2, -1, 0.5f, -3};
  const std::vector<std::int32_t> labels = {1, 0, 0, 0};
  const Evaluation e = evaluate(logits, labels, 2);
  EXPECT_EQ(e.correct, 3);
  EXPECT_EQ(e.predictions, (std::vector<std::int32_t>{1, 0, 1, 0}));
  const double want = std::log1p(std::exp(-2.0)) + std::log1p(std::exp(-1.0)) +
                      std::log1p(std::exp(0.5)) + std::log1p(std::exp(-3.0));
  EXPECT_NEAR(e.loss_sum, want, 1e-12);
  EXPECT_NEAR(e.probabilities[1], 1 / (1 + std::exp(-2.0)), 1e-7);
  EXPECT_EQ(evaluate(logits, labels, 2, 0.7).correct, 4);
  EXPECT_EQ(e.confusion({"a", "b"}).counts, (std::vector<std::int64_t>{2, 1, 0, 1}));
}

TEST(Evaluation, ManyClassesSurviveHugeLogits) {
  const std::vector<float> logits = {1000, 0, -1000, 0, 0, 0};
  const std::vector<std::int32_t> labels = {0, 2};
  const Evaluation e = evaluate(logits, labels, 3);
  EXPECT_EQ(e.correct, 1);
  EXPECT_NEAR(e.loss_sum, std::log(3.0), 1e-12);
}

TEST(Evaluation, BestThresholdMakesTheFewestMistakes) {
  const auto logit = [](double p) { return static_cast<float>(std::log(p / (1 - p))); };
  const std::vector<float> logits = {logit(0.1), logit(0.6), logit(0.7), logit(0.9)};
  EXPECT_NEAR(best_threshold(logits, std::vector<std::int32_t>{0, 0, 0, 1}), 0.8, 1e-6);
  EXPECT_EQ(best_threshold(logits, std::vector<std::int32_t>{0, 1, 1, 1}), 0.5);
  EXPECT_EQ(best_threshold(logits, std::vector<std::int32_t>{0, 1, 0, 1}), 0.5);
  EXPECT_GT(best_threshold(logits, std::vector<std::int32_t>{0, 0, 0, 0}), 0.9);
  EXPECT_LT(best_threshold(logits, std::vector<std::int32_t>{1, 1, 1, 1}), 0.1);
}

}  // namespace
}  // namespace engine::apps::cnn
