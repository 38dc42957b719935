#include "engine/apps/cnn/evaluation.h"

#include <algorithm>
#include <cmath>

namespace engine::apps::cnn {

std::vector<double> probabilities(std::span<const float> logits) {
  if (logits.size() == 1) {
    const double p = 1 / (1 + std::exp(-static_cast<double>(logits[0])));
    return {1 - p, p};
  }
  const float largest = *std::max_element(logits.begin(), logits.end());
  std::vector<double> result;
  double sum = 0;
  for (const float logit : logits) {
    result.push_back(std::exp(static_cast<double>(logit) - largest));
    sum += result.back();
  }
  for (double& p : result) p /= sum;
  return result;
}

namespace {

double loss_of(std::span<const float> logits, std::int32_t label) {
  if (logits.size() == 1) {
    const double z = logits[0];
    return std::max(z, 0.0) - z * label + std::log1p(std::exp(-std::fabs(z)));
  }
  const double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - largest);
  return largest + std::log(sum) - logits[static_cast<std::size_t>(label)];
}

}  // namespace

Evaluation evaluate(std::span<const float> logits, std::span<const std::int32_t> labels,
                    std::int64_t classes, double threshold) {
  Evaluation result;
  result.total = static_cast<std::int64_t>(labels.size());
  result.labels.assign(labels.begin(), labels.end());
  const std::size_t outputs = classes == 2 ? 1 : static_cast<std::size_t>(classes);
  for (std::size_t row = 0; row < labels.size(); ++row) {
    const auto values = logits.subspan(row * outputs, outputs);
    const std::vector<double> p = probabilities(values);
    const auto predicted =
        outputs == 1 ? static_cast<std::int32_t>(p[1] >= threshold)
                     : static_cast<std::int32_t>(std::max_element(p.begin(), p.end()) - p.begin());
    result.predictions.push_back(predicted);
    result.probabilities.insert(result.probabilities.end(), p.begin(), p.end());
    result.correct += predicted == labels[row] ? 1 : 0;
    result.loss_sum += loss_of(values, labels[row]);
  }
  return result;
}

ConfusionMatrix Evaluation::confusion(const std::vector<std::string>& classes) const {
  ConfusionMatrix matrix{classes, std::vector<std::int64_t>(classes.size() * classes.size())};
  for (std::size_t i = 0; i < labels.size(); ++i) {
    ++matrix.counts[static_cast<std::size_t>(labels[i]) * classes.size() +
                    static_cast<std::size_t>(predictions[i])];
  }
  return matrix;
}

void Evaluation::append(const Evaluation& more) {
  total += more.total;
  correct += more.correct;
  loss_sum += more.loss_sum;
  labels.insert(labels.end(), more.labels.begin(), more.labels.end());
  predictions.insert(predictions.end(), more.predictions.begin(), more.predictions.end());
  probabilities.insert(probabilities.end(), more.probabilities.begin(), more.probabilities.end());
}

double best_threshold(std::span<const float> logits, std::span<const std::int32_t> labels) {
  std::vector<std::pair<double, std::int32_t>> rows;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    rows.emplace_back(probabilities(logits.subspan(i, 1))[1], labels[i]);
  }
  std::sort(rows.begin(), rows.end());
  // Cut k: the first k rows are called class 0.
  std::int64_t mistakes =
      std::count_if(rows.begin(), rows.end(), [](const auto& row) { return row.second == 0; });
  std::int64_t fewest = mistakes + 1;
  double best = 0.5;
  double widest = 0;
  bool holds_half = false;
  for (std::size_t cut = 0; cut <= rows.size(); ++cut) {
    if (cut > 0) mistakes += rows[cut - 1].second == 1 ? 1 : -1;
    const double low = cut == 0 ? 0 : rows[cut - 1].first;
    const double high = cut == rows.size() ? 1 : rows[cut].first;
    if (low == high || mistakes > fewest) continue;
    const bool contains_half = low < 0.5 && 0.5 <= high;
    const bool better = mistakes < fewest || (!holds_half && high - low > widest);
    if (better || contains_half) {
      best = contains_half ? 0.5 : (low + high) / 2;
      widest = high - low;
      holds_half = contains_half;
      fewest = mistakes;
    }
  }
  return best;
}

}  // namespace engine::apps::cnn
