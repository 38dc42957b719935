#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bench/engine_bench/math_mode.h"
#include "bench/engine_bench/statistics.h"

// What a run of engine_bench found, and its JSON.
namespace engine::bench {

// One side of a row. Seconds are those of one call.
struct Side {
  std::string name;       // "engine", "oneDNN", "cuDNN"
  std::string algorithm;  // in the library's own words
  Spread seconds;
  std::int64_t scratch_bytes = 0;
  // Largest |got - want| of the checked elements as a share of the root of the mean square of
  // `want`, and as a share of the bound that rounding allows; empty where nothing was checked.
  std::optional<double> error;
  std::optional<double> share_of_bound;
};

struct Row {
  std::string name;    // "conv2d_forward/bf16/n=32,h=56,c=64,k=64,r=3"
  std::string family;  // "conv2d", "linear", "memory" or "style"
  std::string shape_class;
  std::string dtype;       // of MathMode
  std::int64_t bytes = 0;  // each tensor once, read or written
  std::int64_t flops = 0;
  std::int64_t checked = 0;  // elements of the output that were held against the reference
  std::int64_t elements = 0;
  std::string limit;          // what bounds it: "copy" or "matrix"
  double share_of_limit = 0;  // the time that the measured ceiling allows / ours
  bool has_settled = true;    // the times of both sides, before they were taken
  Side engine;
  std::optional<Side> peer;

  double ratio() const { return engine.seconds.median / peer->seconds.median; }
};

struct LeftOut {
  std::string name;
  std::string reason;
};

// The device's limits, measured in the same run.
struct Ceilings {
  double copy_bytes_per_second = 0;  // read and written, each counted
  PerMathMode flops_per_second;      // a large product; 0: the device has no instructions for it
};

using Header = std::vector<std::pair<std::string, std::string>>;

struct Results {
  Header header;  // what was measured, where, when and how
  Ceilings ceilings;
  std::vector<Row> rows;
  std::vector<LeftOut> left_out;
};

// What keeps rows that were measured under one header from standing beside rows of another: device,
// versions or options, as `seconds "0.1", not "1"`. Empty where nothing does; when they were
// measured, and the state of the machine then, may differ.
std::string difference_between(const Header& earlier, const Header& now);

// The reasons why a row is wrong: an error above its bound on our side, or a time that is not
// positive. Empty when all is well.
std::vector<std::string> faults_of(const Results& results);

std::string to_json(const Results& results);
// Throws InvalidArgument with `source` and what is missing or of another kind.
Results from_json(const std::string& text, const std::string& source);
Results read_results(const std::filesystem::path& path);
// The file holds the old results or all of the new ones, whatever stops this program.
void write_results(const std::filesystem::path& path, const Results& results);

}  // namespace engine::bench
