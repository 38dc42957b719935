#include "engine/apps/cnn/training_report.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "engine/apps/cnn/baseline_report.h"
#include "engine/apps/run/console.h"
#include "engine/apps/run/diagnosis.h"

namespace engine::apps::cnn {
namespace {

constexpr int kMistakesShown = 24;
constexpr int kFiltersShown = 48;
constexpr std::size_t kCurvesShown = 6;  // of a chart

std::string percent(double share) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.1f\u00a0%%", 100 * share);
  return text;
}

// One series for each fold (or only one), of a column of the metrics.
std::vector<Series> series_of(const std::vector<nlohmann::json>& rows, const std::string& column,
                              const std::string& name) {
  std::map<int, Series> by_fold;
  for (const nlohmann::json& row : rows) {
    if (!row.contains(column) || !row[column].is_number()) continue;
    const int fold = row.value("fold", 0);
    Series& series = by_fold[fold];
    series.name = fold == 0 ? name : join(name, ", fold ", fold);
    series.points.push_back({row.value("epoch", 0.0), row[column].get<double>()});
  }
  std::vector<Series> result;
  for (auto& [fold, series] : by_fold) {
    if (result.size() < kCurvesShown) result.push_back(std::move(series));
  }
  return result;
}

Chart make_chart(const TrainingReportInput& input, const std::string& title,
                 const std::string& quantity) {
  Chart chart{.title = title, .x_label = "epoch", .y_label = quantity, .x_is_whole = true};
  chart.series = series_of(input.epochs, "train_" + quantity, "training");
  for (Series& series : series_of(input.epochs, "validation_" + quantity, "validation")) {
    chart.series.push_back(std::move(series));
  }
  chart.y_is_share = quantity == "accuracy";
  if (input.settings.folds == 0 && input.best_epoch > 0 && input.epochs.size() > 1 &&
      chart.series.size() > 1) {
    chart.mark_x = input.best_epoch;
    chart.mark_label = "kept";
  }
  return chart;
}

std::vector<EpochMetrics> epoch_metrics(const std::vector<nlohmann::json>& rows) {
  std::vector<EpochMetrics> epochs;
  for (const nlohmann::json& row : rows) {
    if (!row.contains("validation_loss")) continue;
    epochs.push_back({row.value("epoch", 0), row.value("train_loss", 0.0),
                      row.value("train_accuracy", 0.0), row.value("validation_loss", 0.0),
                      row.value("validation_accuracy", 0.0)});
  }
  return epochs;
}

std::vector<Picture> worst_mistakes(const TrainingReportInput& input) {
  const Evaluation& e = input.evaluation;
  const std::size_t classes = input.info.labels.size();
  const auto confidence = [&](std::size_t i) {
    return e.probabilities[i * classes + static_cast<std::size_t>(e.predictions[i])];
  };
  std::vector<std::size_t> wrong;
  for (std::size_t i = 0; i < e.labels.size(); ++i) {
    if (e.predictions[i] != e.labels[i]) wrong.push_back(i);
  }
  std::stable_sort(wrong.begin(), wrong.end(),
                   [&](std::size_t a, std::size_t b) { return confidence(a) > confidence(b); });
  if (wrong.size() > kMistakesShown) wrong.resize(kMistakesShown);
  std::vector<Picture> pictures;
  for (const std::size_t i : wrong) {
    const std::int64_t item = input.items[i];
    const std::string& truth = input.info.labels[static_cast<std::size_t>(e.labels[i])];
    const std::string& predicted = input.info.labels[static_cast<std::size_t>(e.predictions[i])];
    pictures.push_back({input.data->image(item),
                        {"is " + truth, "said " + predicted + ", " + percent(confidence(i)),
                         input.data->names[static_cast<std::size_t>(item)]}});
  }
  return pictures;
}

void add_headline(Report& report, const TrainingReportInput& input) {
  const Interval interval = input.evaluation.interval();
  char note[96];
  std::snprintf(note, sizeof(note), "%lld of %lld; 95 %% interval %.1f to %.1f %%",
                static_cast<long long>(input.evaluation.correct),
                static_cast<long long>(input.evaluation.total), 100 * interval.low,
                100 * interval.high);
  std::vector<Figure> figures = {
      {input.part + " accuracy", format_percent(input.evaluation.accuracy()), note}};
  for (const BaselineResult& baseline : input.baselines) {
    figures.push_back({"baseline", format_percent(baseline.accuracy()), baseline.name});
  }
  char speed[64];
  std::snprintf(speed, sizeof(speed), "%d epochs, %.0f images/s", input.settings.epochs,
                input.images_per_second);
  figures.push_back({"training time", format_duration(input.seconds), speed});
  report.figures(figures);
}

void take_baseline(const BaselineResult& baseline, const Evaluation& net,
                   DiagnosisInput& diagnosis) {
  diagnosis.baseline_name = baseline.name;
  diagnosis.baseline_accuracy = baseline.accuracy();
  diagnosis.only_net_right = diagnosis.only_baseline_right = 0;
  for (std::size_t i = 0; i < net.labels.size(); ++i) {
    const bool net_is_right = net.predictions[i] == net.labels[i];
    const bool baseline_is_right = baseline.predictions[i] == net.labels[i];
    diagnosis.only_net_right += net_is_right && !baseline_is_right ? 1 : 0;
    diagnosis.only_baseline_right += baseline_is_right && !net_is_right ? 1 : 0;
  }
}

void add_diagnosis(Report& report, const TrainingReportInput& input) {
  DiagnosisInput diagnosis;
  diagnosis.epochs = epoch_metrics(input.epochs);
  diagnosis.confusion = input.evaluation.confusion(input.info.labels);
  diagnosis.accuracy = input.evaluation.accuracy();
  diagnosis.test_items = input.evaluation.total;
  for (const BaselineResult& baseline : input.baselines) {
    if (diagnosis.baseline_name.empty() || baseline.accuracy() > diagnosis.baseline_accuracy) {
      take_baseline(baseline, input.evaluation, diagnosis);
    }
  }
  diagnosis.chose_epoch = input.part == "validation" && input.best_epoch > 0;
  diagnosis.is_cross_validation = input.settings.folds > 0;
  report.section("Diagnosis");
  report.list(diagnose(diagnosis));
}

void add_comparison(Report& report, const TrainingReportInput& input) {
  report.section(
      "Accuracy beside simple methods",
      "Measured on the same pictures, which no method saw in training. The bars are 95 % "
      "intervals. A net earns its keep only where it beats both.");
  report.comparison(estimates(input.settings.network, input.evaluation, input.baselines));
  for (const BaselineResult& baseline : input.baselines) {
    if (baseline.note.empty()) continue;
    report.paragraph(join("Baseline, ", baseline.name, ": ", baseline.note, '.'));
  }
}

void add_settings(Report& report, const TrainingReportInput& input) {
  const TrainSettings& s = input.settings;
  report.section("Configuration", "config.json in the run folder holds every setting.");
  std::vector<std::pair<std::string, std::string>> rows = {
      {"data", describe_data(s)},
      {"pictures", join(s.height, " x ", s.width, ", ", s.channels == 1 ? "grey" : "colour", ", ",
                        input.data->count(), " in all")},
      {"split", input.split},
      {"network", join(s.network, ", ", input.parameters, " parameters")},
      {"optimizer", join("Adam, learning rate ", s.learning_rate, ", warm-up, then cosine")},
      {"epochs x batch", join(s.epochs, " x ", s.batch)},
      {"augmentation", s.augment},
      {"dropout", join(s.dropout)},
      {"seed", join(s.seed)},
      {"device", input.device},
      {"run folder", input.run}};
  if (s.folds == 0) rows.push_back({"kept epoch", join(input.best_epoch)});
  report.settings(rows);
}

Image weight_picture(const float* weights, int height, int width, int channels) {
  Image image = make_image(width, height, channels);
  const std::size_t count = image.pixels.size();
  float largest = 1e-12f;
  for (std::size_t i = 0; i < count; ++i) largest = std::max(largest, std::fabs(weights[i]));
  for (std::size_t i = 0; i < count; ++i) {
    image.pixels[i] = static_cast<std::uint8_t>(
        std::clamp(std::lround(127.5f + 127.5f * weights[i] / largest), 0L, 255L));
  }
  return image;
}

}  // namespace

std::vector<Picture> first_layer_pictures(const Store& store, const ModelInfo& info, int most) {
  for (const Store::Entry& entry : store.entries()) {
    if (entry.role != StateRole::parameter || !entry.name.ends_with("weight")) continue;
    const Shape& shape = entry.tensor.shape();
    int height = info.height, width = info.width;
    if (shape.rank() == 4) height = static_cast<int>(shape[1]), width = static_cast<int>(shape[2]);
    const std::int64_t size = std::int64_t{height} * width * info.channels;
    if (shape.elements() != shape[0] * size) return {};
    const std::vector<float> weights = entry.tensor.to_floats();
    std::vector<Picture> pictures;
    for (std::int64_t i = 0; i < std::min<std::int64_t>(shape[0], most); ++i) {
      pictures.push_back(
          {weight_picture(weights.data() + i * size, height, width, info.channels), {}});
    }
    return pictures;
  }
  return {};
}

std::string training_report(const TrainingReportInput& input) {
  Report report(join(input.settings.network, " on ",
                     input.settings.data.empty()
                         ? std::string("built-in scenes")
                         : std::filesystem::path(input.settings.data).filename().string()),
                join("Trained by cnn train. Run folder ", input.run));
  add_headline(report, input);
  add_diagnosis(report, input);
  add_comparison(report, input);
  report.section(
      "Learning curves",
      join("Training accuracy is measured after each epoch on untouched pictures; training "
           "loss includes augmentation and dropout, so it may lie above the validation loss.",
           input.settings.folds > static_cast<int>(kCurvesShown)
               ? join(" Of the ", input.settings.folds, " folds the first ", kCurvesShown,
                      " are drawn.")
               : std::string()));
  report.charts({make_chart(input, "Loss", "loss"), make_chart(input, "Accuracy", "accuracy")});
  report.section("Confusion matrix", "Rows are the truth, columns what the net said.");
  report.confusion_matrix(input.evaluation.confusion(input.info.labels));
  const std::vector<Picture> mistakes = worst_mistakes(input);
  if (!mistakes.empty()) {
    report.section("Worst mistakes", "Wrong with the most confidence first.");
    report.pictures(mistakes, 128);
  }
  const std::vector<Picture> filters =
      first_layer_pictures(*input.store, input.info, kFiltersShown);
  if (!filters.empty()) {
    report.section("First layer",
                   "What each filter of the first layer looks for; middle grey is no weight.");
    report.pictures(filters, filters.front().image.width > 16 ? 84 : 44);
  }
  add_settings(report, input);
  return report.html();
}

}  // namespace engine::apps::cnn
