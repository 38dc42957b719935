#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/apps/data/confidence_interval.h"
#include "engine/apps/run/report.h"

namespace engine::apps::cnn {

// What a net makes of labelled pictures.
struct Evaluation {
  std::int64_t total = 0;
  std::int64_t correct = 0;
  double loss_sum = 0;
  std::vector<std::int32_t> labels;
  std::vector<std::int32_t> predictions;
  std::vector<float> probabilities;  // [total, classes]

  double accuracy() const { return total == 0 ? 0 : static_cast<double>(correct) / total; }
  double loss() const { return total == 0 ? 0 : loss_sum / static_cast<double>(total); }
  Interval interval() const { return wilson_interval(correct, total); }
  ConfusionMatrix confusion(const std::vector<std::string>& classes) const;
  void append(const Evaluation& more);
};

// Probabilities of all classes from one row of logits: a sigmoid for one logit, else a softmax.
std::vector<double> probabilities(std::span<const float> logits);

// One logit a row for two classes, else one a class; class 1 of two from `threshold` on.
// The loss is the one that training minimises, in double.
Evaluation evaluate(std::span<const float> logits, std::span<const std::int32_t> labels,
                    std::int64_t classes, double threshold = 0.5);

// The threshold that makes the fewest mistakes on these logits; the middle of the widest such gap
// of probability, 0.5 where that is among the best.
double best_threshold(std::span<const float> logits, std::span<const std::int32_t> labels);

}  // namespace engine::apps::cnn
