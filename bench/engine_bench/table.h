#pragma once

#include <string>
#include <vector>

#include "bench/engine_bench/results.h"

// Results as text for people.
namespace engine::bench {

// Header, rows (losses first: by ratio, largest first, then rows without a peer by their share of
// the limit), geometric means, what was left out.
std::string table_of(const Results& results);

// The geometric mean of our time over the peer's in one class of shapes and one type.
struct ClassMean {
  std::string shape_class;
  std::string dtype;
  double ratio = 0;
  int rows = 0;
  int losses = 0;  // rows with a ratio above 1
};
// In the order narrow, small_batch, large, other; classes without rows are left out.
std::vector<ClassMean> class_means(const Results& results);

// The order of table_of().
std::vector<Row> losses_first(std::vector<Row> rows);

struct Comparison {
  std::string text;
  int regressions = 0;  // rows that are slower beyond tolerance and spread
};
// Rows of both, by name: new time over old. A row is slower, or faster, where the medians differ by
// more than `tolerance` and the quartiles do not overlap.
Comparison compare(const Results& old_results, const Results& new_results, double tolerance = 0.05);

}  // namespace engine::bench
