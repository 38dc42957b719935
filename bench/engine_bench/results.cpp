#include "bench/engine_bench/results.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include <nlohmann/json.hpp>

#include "engine/core/atomic_file.h"
#include "engine/core/errors.h"

namespace engine::bench {
namespace {

// Ordered: people read these files too.
using Json = nlohmann::ordered_json;

constexpr int kFormat = 2;

Json json_of(const Side& side) {
  Json json = {{"name", side.name},
               {"algorithm", side.algorithm},
               {"median_seconds", side.seconds.median},
               {"quartile_seconds", {side.seconds.low, side.seconds.high}},
               {"n", side.seconds.n},
               {"scratch_bytes", side.scratch_bytes}};
  if (side.error) json["error"] = *side.error;
  if (side.share_of_bound) json["share_of_bound"] = *side.share_of_bound;
  return json;
}

Side side_of(const Json& json) {
  Side side{.name = json.at("name"), .algorithm = json.at("algorithm")};
  side.seconds = {.median = json.at("median_seconds"),
                  .low = json.at("quartile_seconds").at(0),
                  .high = json.at("quartile_seconds").at(1),
                  .n = json.at("n")};
  side.scratch_bytes = json.at("scratch_bytes");
  if (json.contains("error")) side.error = json.at("error").get<double>();
  if (json.contains("share_of_bound"))
    side.share_of_bound = json.at("share_of_bound").get<double>();
  return side;
}

std::string rate_key(MathMode mode) {
  return join(name_of(mode), "_flops_per_second");
}

Json json_of(const Row& row) {
  Json json = {{"name", row.name},
               {"family", row.family},
               {"shape_class", row.shape_class},
               {"dtype", row.dtype},
               {"bytes", row.bytes},
               {"flops", row.flops},
               {"checked", row.checked},
               {"elements", row.elements},
               {"limit", row.limit},
               {"share_of_limit", row.share_of_limit},
               {"settled", row.has_settled},
               {"engine", json_of(row.engine)}};
  if (row.peer) {
    json["peer"] = json_of(*row.peer);
    json["ratio"] = row.ratio();
  }
  return json;
}

Row row_of(const Json& json) {
  Row row;
  row.name = json.at("name");
  row.family = json.at("family");
  row.shape_class = json.at("shape_class");
  row.dtype = json.at("dtype");
  row.bytes = json.at("bytes");
  row.flops = json.at("flops");
  row.checked = json.at("checked");
  row.elements = json.at("elements");
  row.limit = json.at("limit");
  row.share_of_limit = json.at("share_of_limit");
  row.has_settled = json.at("settled");
  row.engine = side_of(json.at("engine"));
  if (json.contains("peer")) row.peer = side_of(json.at("peer"));
  return row;
}

// Entries of a header that rows of one file have in common.
constexpr const char* kShared[] = {"device",       "engine",          "onednn",
                                   "cudnn",        "seconds",         "quick",
                                   "cuda_runtime", "cuda_driver_api", "cublas",
                                   "peer",         "rotated_bytes",   "peer_scratch_limit_bytes"};

std::string value_of(const Header& header, const std::string& key) {
  const auto found = std::find_if(header.begin(), header.end(),
                                  [&](const auto& entry) { return entry.first == key; });
  return found == header.end() ? "" : found->second;
}

}  // namespace

std::string difference_between(const Header& earlier, const Header& now) {
  for (const char* key : kShared) {
    const std::string before = value_of(earlier, key), after = value_of(now, key);
    if (before != after) return join(key, " \"", before, "\", not \"", after, '"');
  }
  return "";
}

std::vector<std::string> faults_of(const Results& results) {
  std::vector<std::string> faults;
  for (const Row& row : results.rows) {
    const auto& share = row.engine.share_of_bound;
    // A NaN fails too.
    if (share && !(*share <= 1)) {
      faults.push_back(join(row.name, ": our error is ", *share, " times what rounding allows"));
    }
    if (!(row.engine.seconds.median > 0)) {
      faults.push_back(join(row.name, ": a time of ", row.engine.seconds.median, " s"));
    }
  }
  return faults;
}

std::string to_json(const Results& results) {
  Json header = Json::object();
  for (const auto& [key, value] : results.header) header[key] = value;
  Json rows = Json::array(), left_out = Json::array();
  for (const Row& row : results.rows) rows.push_back(json_of(row));
  for (const LeftOut& row : results.left_out) {
    left_out.push_back({{"name", row.name}, {"reason", row.reason}});
  }
  Json ceilings = {{"copy_bytes_per_second", results.ceilings.copy_bytes_per_second}};
  for (const MathMode mode : kMathModes) {
    ceilings[rate_key(mode)] = results.ceilings.flops_per_second[mode];
  }
  const Json json = {{"engine_bench", kFormat},
                     {"header", header},
                     {"ceilings", ceilings},
                     {"rows", rows},
                     {"left_out", left_out}};
  // Words come from other libraries too; bytes that are no text must not spoil the file.
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + '\n';
}

Results from_json(const std::string& text, const std::string& source) {
  try {
    const Json json = Json::parse(text);
    ENGINE_CHECK(json.at("engine_bench").get<int>() == kFormat, source, ": format ",
                 json.at("engine_bench").dump(), "; this program reads ", kFormat);
    Results results;
    for (const auto& [key, value] : json.at("header").items()) {
      results.header.emplace_back(key, value.get<std::string>());
    }
    const Json& ceilings = json.at("ceilings");
    results.ceilings.copy_bytes_per_second = ceilings.at("copy_bytes_per_second");
    for (const MathMode mode : kMathModes) {
      results.ceilings.flops_per_second[mode] = ceilings.at(rate_key(mode));
    }
    for (const Json& row : json.at("rows")) results.rows.push_back(row_of(row));
    for (const Json& row : json.at("left_out")) {
      results.left_out.push_back({row.at("name"), row.at("reason")});
    }
    return results;
  } catch (const nlohmann::json::exception& error) {
    throw InvalidArgument(join(source, ": not results of engine_bench: ", error.what()));
  }
}

Results read_results(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) throw IoError(join(path.string(), ": cannot be read"));
  return from_json(text.str(), path.string());
}

void write_results(const std::filesystem::path& path, const Results& results) {
  const std::string text = to_json(results);
  write_file_atomically(path, {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

}  // namespace engine::bench
