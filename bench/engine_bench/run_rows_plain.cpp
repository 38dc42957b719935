#include "bench/engine_bench/run_rows.h"
#include "engine/core/errors.h"

namespace engine::bench {

void run_rows(const std::vector<std::string>& names,
              const std::function<std::optional<Row>(std::size_t)>& measure,
              const std::vector<std::string>& google_options) {
  ENGINE_CHECK(google_options.empty(), google_options[0],
               ": this engine_bench was built without Google Benchmark");
  for (std::size_t i = 0; i < names.size(); ++i) measure(i);
}

}  // namespace engine::bench
