#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "bench/engine_bench/results.h"

namespace engine::bench {

// Calls measure(i) for each name, in order; a row that was left out is empty. Through Google
// Benchmark where the build has it, with its own options; else a plain loop, which takes none.
void run_rows(const std::vector<std::string>& names,
              const std::function<std::optional<Row>(std::size_t)>& measure,
              const std::vector<std::string>& google_options);

}  // namespace engine::bench
