#pragma once

#include <string>

#include "engine/apps/cnn/settings.h"

namespace engine::apps::cnn {

// The command line of `cnn train`.
struct TrainFlags {
  TrainSettings settings;
  TrainingOptions training;
  RunOptions run;
  std::string size;
  bool no_baselines = false;
};
void add_train_flags(CommandFlags& command, TrainFlags& flags);

// Throws UsageError for what no data could make right, IoError where --data is not there.
TrainSettings settings_from_flags(const TrainFlags& flags);

}  // namespace engine::apps::cnn
