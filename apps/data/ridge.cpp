#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>

#include "engine/apps/data/baselines.h"
#include "engine/core/errors.h"

namespace engine::apps {
namespace {

constexpr int kThumbnail = 8;
constexpr std::array kPenalties = {1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1e0, 1e1, 1e2, 1e3};

// A dense row-major matrix of doubles.
struct Matrix {
  std::int64_t rows = 0, cols = 0;
  std::vector<double> values;

  Matrix(std::int64_t r, std::int64_t c) : rows(r), cols(c), values(r * c) {}
  double* row(std::int64_t r) { return &values[r * cols]; }
  const double* row(std::int64_t r) const { return &values[r * cols]; }
};

// Every item's thumbnail, values 0 to 1.
Matrix thumbnails(const ImageDataset& dataset) {
  const std::int64_t count = dataset.count();
  Matrix features(count, std::int64_t{kThumbnail} * kThumbnail * dataset.channels());
#pragma omp parallel for schedule(static)
  for (std::int64_t i = 0; i < count; ++i) {
    const Image small = resize(dataset.image(i), kThumbnail, kThumbnail);
    std::transform(small.pixels.begin(), small.pixels.end(), features.row(i),
                   [](std::uint8_t value) { return value / 255.0; });
  }
  return features;
}

// The normal equations of centred features: the bias carries no penalty.
struct NormalEquations {
  std::vector<double> feature_mean, target_mean;
  Matrix gram;     // [features, features], lower triangle
  Matrix moments;  // [classes, features]
};

NormalEquations accumulate(const Matrix& features, const ImageDataset& dataset,
                           std::span<const std::int64_t> items) {
  const std::int64_t size = features.cols;
  const auto classes = static_cast<std::int64_t>(dataset.classes.size());
  const auto labels = dataset.label_span();
  NormalEquations equations{std::vector<double>(size), std::vector<double>(classes),
                            Matrix(size, size), Matrix(classes, size)};
  for (const std::int64_t item : items) {
    for (std::int64_t f = 0; f < size; ++f) equations.feature_mean[f] += features.row(item)[f];
    for (std::int64_t c = 0; c < classes; ++c) {
      equations.target_mean[c] += labels[item] == c ? 1 : -1;
    }
  }
  const auto count = static_cast<double>(items.size());
  for (double& mean : equations.feature_mean) mean /= count;
  for (double& mean : equations.target_mean) mean /= count;

  Matrix centered(static_cast<std::int64_t>(items.size()), size);
  for (std::size_t i = 0; i < items.size(); ++i) {
    for (std::int64_t f = 0; f < size; ++f) {
      centered.row(i)[f] = features.row(items[i])[f] - equations.feature_mean[f];
    }
  }
#pragma omp parallel for schedule(dynamic)
  for (std::int64_t f = 0; f < size; ++f) {
    double* gram = equations.gram.row(f);
    for (std::int64_t i = 0; i < centered.rows; ++i) {
      const double* row = centered.row(i);
      const double value = row[f];
      for (std::int64_t g = 0; g <= f; ++g) gram[g] += value * row[g];
    }
  }
  for (std::int64_t i = 0; i < centered.rows; ++i) {
    for (std::int64_t c = 0; c < classes; ++c) {
      const double target = (labels[items[i]] == c ? 1 : -1) - equations.target_mean[c];
      double* moments = equations.moments.row(c);
      for (std::int64_t f = 0; f < size; ++f) moments[f] += target * centered.row(i)[f];
    }
  }
  return equations;
}

double mean_diagonal(const NormalEquations& equations) {
  double sum = 0;
  for (std::int64_t f = 0; f < equations.gram.cols; ++f) sum += equations.gram.row(f)[f];
  // Pictures that are all alike: any penalty does.
  return sum > 0 ? sum / static_cast<double>(equations.gram.cols) : 1;
}

// Solves (gram + penalty * I) w = moments for every class by Cholesky; false when not positive
// definite in double.
bool solve(const NormalEquations& equations, double penalty, Matrix& weights) {
  const std::int64_t size = equations.gram.cols;
  Matrix factor = equations.gram;
  for (std::int64_t i = 0; i < size; ++i) {
    factor.row(i)[i] += penalty;
    for (std::int64_t j = 0; j <= i; ++j) {
      double sum = factor.row(i)[j];
      for (std::int64_t k = 0; k < j; ++k) sum -= factor.row(i)[k] * factor.row(j)[k];
      if (i != j) {
        factor.row(i)[j] = sum / factor.row(j)[j];
      } else if (sum > 0) {
        factor.row(i)[i] = std::sqrt(sum);
      } else {
        return false;
      }
    }
  }
  weights = equations.moments;
  for (std::int64_t c = 0; c < weights.rows; ++c) {
    double* w = weights.row(c);
    for (std::int64_t i = 0; i < size; ++i) {
      for (std::int64_t k = 0; k < i; ++k) w[i] -= factor.row(i)[k] * w[k];
      w[i] /= factor.row(i)[i];
    }
    for (std::int64_t i = size - 1; i >= 0; --i) {
      for (std::int64_t k = i + 1; k < size; ++k) w[i] -= factor.row(k)[i] * w[k];
      w[i] /= factor.row(i)[i];
    }
  }
  return true;
}

std::vector<std::int32_t> predict(const Matrix& features, const NormalEquations& equations,
                                  const Matrix& weights, std::span<const std::int64_t> items) {
  std::vector<std::int32_t> predictions;
  for (const std::int64_t item : items) {
    std::int32_t best = 0;
    double best_score = -INFINITY;
    for (std::int64_t c = 0; c < weights.rows; ++c) {
      double score = equations.target_mean[c];
      for (std::int64_t f = 0; f < weights.cols; ++f) {
        score += weights.row(c)[f] * (features.row(item)[f] - equations.feature_mean[f]);
      }
      if (score > best_score) {
        best_score = score;
        best = static_cast<std::int32_t>(c);
      }
    }
    predictions.push_back(best);
  }
  return predictions;
}

std::int64_t count_correct(std::span<const std::int32_t> predictions,
                           std::span<const std::int64_t> items,
                           std::span<const std::int32_t> labels) {
  std::int64_t correct = 0;
  for (std::size_t i = 0; i < items.size(); ++i) correct += predictions[i] == labels[items[i]];
  return correct;
}

// The best of kPenalties, as a multiple of the mean diagonal, by accuracy on split.validation.
double choose_penalty(const Matrix& features, const ImageDataset& dataset, const Split& split) {
  const NormalEquations equations = accumulate(features, dataset, split.train);
  Matrix weights = equations.moments;
  std::int64_t best_correct = -1;
  double best = kPenalties.back();
  for (const double penalty : kPenalties) {
    if (!solve(equations, penalty * mean_diagonal(equations), weights)) continue;
    const auto correct = count_correct(predict(features, equations, weights, split.validation),
                                       split.validation, dataset.label_span());
    // Of equals the stronger penalty: it generalises better.
    if (correct >= best_correct) {
      best_correct = correct;
      best = penalty;
    }
  }
  return best;
}

// A fifth of the training part as the validation part.
Split split_again(const ImageDataset& dataset, const std::vector<std::int64_t>& train) {
  std::vector<std::int32_t> labels;
  for (const std::int64_t item : train) labels.push_back(dataset.label_span()[item]);
  Split split = stratified_split(labels, {0.8, 0.2, 0}, 1);
  for (auto* part : {&split.train, &split.validation}) {
    for (std::int64_t& item : *part) item = train[item];
  }
  return split;
}

}  // namespace

BaselineResult ridge_on_thumbnails(const ImageDataset& dataset, const Split& split) {
  ENGINE_CHECK(split.train.size() >= 2, "ridge_on_thumbnails: ", split.train.size(),
               " training items");
  const auto start = std::chrono::steady_clock::now();
  const Matrix features = thumbnails(dataset);
  double penalty = choose_penalty(
      features, dataset, split.validation.empty() ? split_again(dataset, split.train) : split);
  const NormalEquations equations = accumulate(features, dataset, split.train);
  Matrix weights = equations.moments;
  while (!solve(equations, penalty * mean_diagonal(equations), weights)) penalty *= 10;

  BaselineResult result;
  result.name = "ridge regression on 8x8 thumbnails";
  result.note = join("penalty ", penalty);
  result.predictions = predict(features, equations, weights, split.test);
  result.total = static_cast<std::int64_t>(split.test.size());
  result.correct = count_correct(result.predictions, split.test, dataset.label_span());
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace engine::apps
