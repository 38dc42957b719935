#pragma once

#include <vector>

#include <nlohmann/json.hpp>

#include "engine/apps/cnn/evaluation.h"
#include "engine/apps/data/baselines.h"
#include "engine/apps/run/console.h"

namespace engine::apps::cnn {

// Both baselines, trained on split.train and tested on split.test. Throws Interrupted when the user
// asks to stop.
std::vector<BaselineResult> run_baselines(const ImageDataset& dataset, const Split& split,
                                          int threads, Console& console);

nlohmann::json to_json(const BaselineResult& result);

// "98.75 %  (395 of 400; 95 % interval 97.10 to 99.46 %)".
std::string describe_share(std::int64_t correct, std::int64_t total);

// Prints an accuracy with its interval, and the baselines below it.
void print_accuracy(Console& console, const std::string& name, const Evaluation& evaluation,
                    const std::vector<BaselineResult>& baselines);

// The rows of the report's comparison.
std::vector<Estimate> estimates(const std::string& network, const Evaluation& evaluation,
                                const std::vector<BaselineResult>& baselines);

}  // namespace engine::apps::cnn
