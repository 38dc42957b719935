#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "engine/apps/cnn/evaluation.h"
#include "engine/apps/cnn/model_info.h"
#include "engine/apps/cnn/settings.h"
#include "engine/apps/data/baselines.h"

namespace engine::apps::cnn {

struct TrainingReportInput {
  TrainSettings settings;
  ModelInfo info;
  std::string part;                    // "test", "validation" or "cross-validated"
  std::string split;                   // how the data was cut, in words
  const ImageDataset* data = nullptr;  // what the items below count in
  std::vector<std::int64_t> items;     // evaluated, in the evaluation's order
  Evaluation evaluation;
  std::vector<BaselineResult> baselines;
  std::vector<nlohmann::json> epochs;  // rows of metrics.jsonl
  const Store* store = nullptr;        // the trained parameters
  int best_epoch = 0;
  double seconds = 0;            // of training and evaluation
  double images_per_second = 0;  // in training
  std::string device;            // "cpu, 2 threads, ...; bf16"
  std::int64_t parameters = 0;
  std::string run;  // the folder
};

// report.html of `cnn train`.
std::string training_report(const TrainingReportInput& input);

// The weights that look at pixels directly, a picture for each filter or unit, at most `most`:
// grey level or colour by weight, the largest magnitude of a filter at full contrast.
std::vector<Picture> first_layer_pictures(const Store& store, const ModelInfo& info, int most);

}  // namespace engine::apps::cnn
