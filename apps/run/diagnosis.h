#pragma once

#include <string>
#include <vector>

#include "engine/apps/run/report.h"

namespace engine::apps {

// One epoch as the diagnosis sees it; accuracies are shares.
struct EpochMetrics {
  int epoch = 0;
  double train_loss = 0;      // mean over the epoch's steps, with dropout and augmentation
  double train_accuracy = 0;  // on untouched training items, after the epoch
  double validation_loss = 0;
  double validation_accuracy = 0;
};

struct DiagnosisInput {
  std::vector<EpochMetrics> epochs;
  ConfusionMatrix confusion;     // of the test part
  double accuracy = 0;           // on the test part
  double baseline_accuracy = 0;  // the best baseline's
  std::string baseline_name;
  // Test items that only one of the two gets right.
  std::int64_t only_net_right = 0;
  std::int64_t only_baseline_right = 0;
  std::int64_t test_items = 0;
  bool is_cross_validation = false;
  bool chose_epoch = false;  // what is judged here is the validation part
};

// What the numbers say, in sentences for someone who is new to this: over- or underfitting, a
// plateau, training that was cut short, the classes that are confused, how it stands against the
// baseline. A pure function.
std::vector<std::string> diagnose(const DiagnosisInput& input);

}  // namespace engine::apps
