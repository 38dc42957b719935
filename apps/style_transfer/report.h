#pragma once

#include <string>
#include <vector>

#include "engine/apps/data/image.h"
#include "engine/apps/run/metrics_log.h"
#include "engine/apps/style_transfer/settings.h"

namespace engine::apps::style_transfer {

struct StyleReport {
  const StyleSettings* settings = nullptr;
  const Image* content = nullptr;
  const Image* result = nullptr;
  const std::vector<Image>* styles = nullptr;         // as they were used
  const std::vector<Image>* masks = nullptr;          // one a style, or none
  const std::vector<nlohmann::json>* rows = nullptr;  // of the metrics
  int iteration = 0;
  int iterations = 0;
  double seconds = 0;
  double seconds_left = 0;
  bool is_finished = false;
  std::string encoder;
  std::string device;
  double memory_gib = 0;  // planned
  std::string remark;     // about quality; may be empty
};

// One page that needs nothing beside it. While the run goes on it asks the browser to read it again
// every few seconds.
std::string style_report(const StyleReport& report);

}  // namespace engine::apps::style_transfer
