#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "bench/engine_bench/math_mode.h"
#include "bench/pass.h"
#include "engine/core/dtype.h"
#include "engine/kernels/conv2d.h"

namespace engine::bench {

// The command line of engine_bench; help_text() says what each means.
struct Options {
  std::string device = "auto";
  int threads = 0;
  std::vector<Conv2dProblem> convs;
  std::filesystem::path shapes;
  std::vector<std::string> sets;
  std::vector<std::string> families;
  std::vector<Pass> passes = {Pass::forward, Pass::backward_data, Pass::backward_weights};
  std::vector<MathMode> modes;  // empty: f32, and bf16 where the device has matrix units for it
  std::string filter;
  int shard = 1, shards = 1;
  double seconds = 1;
  double time_limit = 0;  // of the whole run; 0: none
  std::int64_t scratch_mib = 256;
  bool is_quick = false;
  bool is_list = false;
  bool is_help = false;
  bool has_peer = true;
  std::optional<std::filesystem::path> json;
  bool is_continued = false;
  std::optional<std::filesystem::path> compare;
  std::optional<std::filesystem::path> with;
  std::vector<std::string> google;  // --benchmark_*
};

// Throws InvalidArgument on an unknown option or a value that does not fit. `shapes`: the folder
// that is read unless another is given.
Options parse_options(const std::vector<std::string>& words, const std::filesystem::path& shapes);
std::string help_text();

}  // namespace engine::bench
