#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "engine/apps/cnn/evaluation.h"
#include "engine/apps/cnn/model_info.h"
#include "engine/apps/cnn/predictor.h"
#include "engine/apps/cnn/settings.h"
#include "engine/apps/run/console.h"
#include "engine/apps/run/metrics_log.h"
#include "engine/apps/run/run_folder.h"
#include "engine/core/executable.h"

namespace engine::apps::cnn {

// The training step as a graph. Inputs: "images" u8 [rows, h, w, c] and "labels" i32 [rows], the
// whole training part; a step shuffles, gathers, augments, normalises, runs the net and updates it.
struct TrainingGraphOptions {
  std::int64_t rows = 0;
  std::int64_t total_steps = 0;
};
Graph training_graph(const TrainSettings& settings, const ModelInfo& info,
                     const TrainingGraphOptions& options);

// Mean and standard deviation of each channel over all pictures, of values scaled to 0..1.
Normalization measure_normalization(const Tensor& images);

struct TrainerInput {
  TrainSettings settings;  // complete
  ModelInfo info;
  Device device = Device::cpu();
  ImageDataset train;
  ImageDataset validation;  // may be empty: then the last epoch counts as the best
  int fold = 0;             // 0: no folds
};

// One training from the first epoch to the last, on one store. Writes metrics, models and
// checkpoints into the run folder.
class Trainer {
 public:
  Trainer(TrainerInput input, const RunFolder& folder, MetricsLog& log, Console& console);

  // Continues from the run folder's checkpoint. The same bits follow as if it had never stopped.
  void restore();
  // Trains to the last epoch, then puts the best epoch's parameters into the store. Throws
  // Interrupted after a checkpoint when the user asks to stop, and Error naming step, layer and
  // tensor when a number stops being finite.
  void run();

  Store& store() { return store_; }
  const ModelInfo& info() const { return input_.info; }
  int best_epoch() const { return best_epoch_; }
  double seconds() const { return seconds_; }            // training and evaluation
  double step_seconds() const { return step_seconds_; }  // training alone
  std::int64_t steps() const { return store_.step(); }
  Precision precision() const { return step_->precision(); }
  // "model.safetensors", or "fold-2.safetensors".
  std::filesystem::path model_file() const;

 private:
  std::int64_t epochs() const { return input_.settings.epochs; }
  void run_epoch(Progress& progress);
  void finish_epoch();
  void take_losses(std::int64_t first, std::int64_t last);
  [[noreturn]] void explain_non_finite(std::int64_t step);
  void keep_best(const nlohmann::json& row);
  void save_checkpoint();
  void choose_threshold();
  void write_best() const;
  nlohmann::json model_json(std::int64_t epoch) const;

  TrainerInput input_;
  const RunFolder& folder_;
  MetricsLog& log_;
  Console& console_;
  Store store_;
  std::int64_t steps_per_epoch_;
  std::unique_ptr<Executable> step_;
  std::unique_ptr<Predictor> predictor_;
  ImageDataset train_sample_;  // what training accuracy is measured on

  std::int64_t epoch_ = 0;   // complete epochs
  double loss_sum_ = 0;      // over the steps of the current epoch
  std::int64_t chunk_ = 1;   // steps between looks at the clock and at Ctrl-C
  double seconds_ = 0;       // training and evaluation, with what came before a resume
  double step_seconds_ = 0;  // training alone
  int best_epoch_ = 0;
  double best_loss_ = 0;                // on the validation part
  std::map<std::string, Tensor> best_;  // parameters and statistics of the best epoch
  double checkpoint_age_ = 1e9;         // seconds of training since the last one
};

}  // namespace engine::apps::cnn
