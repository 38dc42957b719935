#include "bench/engine_bench/table.h"

#include <algorithm>
#include <cstdio>
#include <map>

#include "bench/engine_bench/shapes.h"
#include "engine/core/errors.h"

namespace engine::bench {
namespace {

template <class... Values>
std::string format(const char* pattern, Values... values) {
  const int length = std::snprintf(nullptr, 0, pattern, values...);
  std::string text(static_cast<std::size_t>(length) + 1, '\0');
  std::snprintf(text.data(), text.size(), pattern, values...);
  text.pop_back();
  return text;
}

std::string error_text(const std::optional<double>& error) {
  return error ? format("%8.1e", *error) : std::string("       -");
}

std::string side_text(const Side& side) {
  return format(" %11.2f %5.1f", side.seconds.median * 1e6, 100 * relative_spread(side.seconds));
}

std::string row_text(const Row& row) {
  const double seconds = row.engine.seconds.median;
  std::string text = row.peer ? format("%6.3f", row.ratio()) : std::string("     -");
  text += side_text(row.engine);
  text += row.peer ? side_text(*row.peer) : std::string("           -     -");
  text += format(" %9.1f %7.1f %5.1f %-6s ", static_cast<double>(row.flops) / seconds * 1e-9,
                 static_cast<double>(row.bytes) / seconds * 1e-9, 100 * row.share_of_limit,
                 row.limit.c_str());
  text += error_text(row.engine.error);
  text += ' ' + error_text(row.peer ? row.peer->error : std::nullopt);
  text += format(" %3d%c ", row.engine.seconds.n, row.has_settled ? ' ' : '~');
  return text + row.name + (row.engine.algorithm.empty() ? "" : "  [" + row.engine.algorithm) +
         (row.peer ? " | " + row.peer->name + ' ' + row.peer->algorithm : "") +
         (row.engine.algorithm.empty() ? "" : "]") + '\n';
}

bool is_separate(const Spread& a, const Spread& b) {
  return a.high < b.low || b.high < a.low;
}

}  // namespace

std::vector<Row> losses_first(std::vector<Row> rows) {
  std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
    if (a.peer.has_value() != b.peer.has_value()) return a.peer.has_value();
    return a.peer ? a.ratio() > b.ratio() : a.share_of_limit < b.share_of_limit;
  });
  return rows;
}

std::vector<ClassMean> class_means(const Results& results) {
  std::vector<ClassMean> means;
  for (const ShapeClass shape_class :
       {ShapeClass::narrow, ShapeClass::small_batch, ShapeClass::large, ShapeClass::other}) {
    std::map<std::string, std::vector<double>> ratios;
    for (const Row& row : results.rows) {
      if (row.peer && row.shape_class == name_of(shape_class)) {
        ratios[row.dtype].push_back(row.ratio());
      }
    }
    for (const auto& [dtype, values] : ratios) {
      const auto losses =
          std::count_if(values.begin(), values.end(), [](double r) { return r > 1; });
      means.push_back({.shape_class = std::string(name_of(shape_class)),
                       .dtype = dtype,
                       .ratio = geometric_mean(values),
                       .rows = static_cast<int>(values.size()),
                       .losses = static_cast<int>(losses)});
    }
  }
  return means;
}

std::string table_of(const Results& results) {
  std::string text;
  for (const auto& [key, value] : results.header) text += key + ": " + value + '\n';
  text += format("ceilings: copy %.1f GB/s", results.ceilings.copy_bytes_per_second * 1e-9);
  for (const MathMode mode : kMathModes) {
    const double rate = results.ceilings.flops_per_second[mode];
    if (rate > 0) text += join(", ", name_of(mode)) + format(" %.3f TFLOP/s", rate * 1e-12);
  }
  text +=
      "\n"
      "times: median, half the distance of the quartiles in %; error: largest, over the root "
      "mean square; n~: the times had not settled before\n\n";
  text += format("%6s %11s %5s %11s %5s %9s %7s %-12s %8s %8s %3s\n", "ratio", "engine us", "+-%",
                 "peer us", "+-%", "GFLOP/s", "GB/s", "% of limit", "error", "peer's", "n");
  for (const Row& row : losses_first(results.rows)) text += row_text(row);
  const auto means = class_means(results);
  if (!means.empty()) text += "\ngeometric mean of our time over the peer's\n";
  for (const ClassMean& mean : means) {
    text += format("  %-12s %-5s %6.3f  (%d rows, %d slower)\n", mean.shape_class.c_str(),
                   mean.dtype.c_str(), mean.ratio, mean.rows, mean.losses);
  }
  if (!results.left_out.empty()) text += "\nleft out\n";
  for (const LeftOut& row : results.left_out) text += "  " + row.name + ": " + row.reason + '\n';
  for (const std::string& fault : faults_of(results)) text += "\nWRONG " + fault + '\n';
  return text;
}

Comparison compare(const Results& old_results, const Results& new_results, double tolerance) {
  std::map<std::string, const Row*> old_rows;
  for (const Row& row : old_results.rows) old_rows[row.name] = &row;
  struct Change {
    const Row *before, *after;
    double ratio;
  };
  std::vector<Change> changes;
  std::vector<double> ratios;
  for (const Row& row : new_results.rows) {
    const auto found = old_rows.find(row.name);
    if (found == old_rows.end()) continue;
    const double ratio = row.engine.seconds.median / found->second->engine.seconds.median;
    changes.push_back({found->second, &row, ratio});
    ratios.push_back(ratio);
  }
  std::stable_sort(changes.begin(), changes.end(),
                   [](const Change& a, const Change& b) { return a.ratio > b.ratio; });
  Comparison result;
  result.text = format("%8s %10s %10s\n", "new/old", "old us", "new us");
  for (const auto& [before, after, ratio] : changes) {
    const bool is_change = is_separate(before->engine.seconds, after->engine.seconds);
    const bool is_slower = is_change && ratio > 1 + tolerance;
    const bool is_faster = is_change && ratio < 1 / (1 + tolerance);
    result.regressions += is_slower ? 1 : 0;
    result.text += format("%8.3f %10.2f %10.2f  %-6s %s\n", ratio,
                          before->engine.seconds.median * 1e6, after->engine.seconds.median * 1e6,
                          is_slower   ? "slower"
                          : is_faster ? "faster"
                                      : "",
                          after->name.c_str());
  }
  if (ratios.empty()) {
    result.text += "no row is in both\n";
  } else {
    result.text += format("geometric mean %.3f over %zu rows, %d slower\n", geometric_mean(ratios),
                          ratios.size(), result.regressions);
  }
  return result;
}

}  // namespace engine::bench
