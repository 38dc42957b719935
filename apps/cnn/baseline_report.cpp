#include "engine/apps/cnn/baseline_report.h"

#include "engine/apps/run/exit_codes.h"
#include "engine/apps/run/interrupt.h"

namespace engine::apps::cnn {

std::vector<BaselineResult> run_baselines(const ImageDataset& dataset, const Split& split,
                                          int threads, Console& console) {
  const auto stop_if_asked = [] {
    if (interrupted()) throw Interrupted("stopped while computing the baselines");
  };
  std::vector<BaselineResult> results;
  stop_if_asked();
  console.status("baseline: nearest neighbour ...");
  results.push_back(nearest_neighbour(dataset, split, {.threads = threads}));
  stop_if_asked();
  console.status("baseline: ridge regression ...");
  results.push_back(ridge_on_thumbnails(dataset, split));
  stop_if_asked();
  console.clear_status();
  return results;
}

nlohmann::json to_json(const BaselineResult& result) {
  const Interval interval = result.interval();
  nlohmann::json json = {{"name", result.name},       {"accuracy", result.accuracy()},
                         {"low", interval.low},       {"high", interval.high},
                         {"correct", result.correct}, {"total", result.total},
                         {"seconds", result.seconds}};
  if (!result.note.empty()) json["note"] = result.note;
  return json;
}

std::string describe_share(std::int64_t correct, std::int64_t total) {
  const Interval interval = wilson_interval(correct, total);
  const double share = total == 0 ? 0 : static_cast<double>(correct) / static_cast<double>(total);
  char text[128];
  std::snprintf(text, sizeof(text), "%.2f %%  (%lld of %lld; 95 %% interval %.2f to %.2f %%)",
                100 * share, static_cast<long long>(correct), static_cast<long long>(total),
                100 * interval.low, 100 * interval.high);
  return text;
}

void print_accuracy(Console& console, const std::string& name, const Evaluation& evaluation,
                    const std::vector<BaselineResult>& baselines) {
  console.result(name + ": " + describe_share(evaluation.correct, evaluation.total));
  for (const BaselineResult& baseline : baselines) {
    console.result(join("  baseline, ", baseline.name,
                        baseline.note.empty() ? "" : " (" + baseline.note + ")", ": ",
                        describe_share(baseline.correct, baseline.total)));
  }
}

std::vector<Estimate> estimates(const std::string& network, const Evaluation& evaluation,
                                const std::vector<BaselineResult>& baselines) {
  const Interval interval = evaluation.interval();
  std::vector<Estimate> rows = {
      {network, evaluation.accuracy(), interval.low, interval.high, true}};
  for (const BaselineResult& baseline : baselines) {
    const Interval range = baseline.interval();
    rows.push_back({baseline.name, baseline.accuracy(), range.low, range.high, false});
  }
  return rows;
}

}  // namespace engine::apps::cnn
