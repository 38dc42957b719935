#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engine/apps/run/flags.h"
#include "engine/core/device.h"
#include "engine/core/passes.h"

namespace engine::apps {

// Flags that mean the same in every app. An empty string or empty optional: not given.

struct DeviceOptions {
  std::string device = "auto";
  std::string precision = "auto";
  int threads = 0;

  Device open() const;  // throws UsageError when there is no such device
  Precision parsed_precision() const;
  // With what "auto" and 0 mean on `device`: what a run folder keeps, so that a run goes on as it
  // began.
  DeviceOptions resolved(const Device& device) const;
};
void add_device_flags(CommandFlags& command, DeviceOptions& options);

struct RunOptions {
  std::string data;
  std::string out;
  std::string resume;      // the folder named, may be empty
  bool is_resume = false;  // --resume was given
};
// --data, --out and --resume.
void add_run_flags(CommandFlags& command, RunOptions& options);

// --resume [FOLDER]. It excludes every flag and argument that was added before: call this last.
void add_resume_flag(CommandFlags& command, RunOptions& options);

struct TrainingOptions {
  std::optional<int> epochs;
  std::optional<std::int64_t> batch;
  std::optional<double> learning_rate;
  std::uint64_t seed = 1;
  std::string split;
};
void add_training_flags(CommandFlags& command, TrainingOptions& options);

// "64" or "64x48" (height x width). Throws UsageError unless both are in 1..16384.
struct PictureSize {
  int height = 0;
  int width = 0;
};
PictureSize parse_size(const std::string& text);

}  // namespace engine::apps
