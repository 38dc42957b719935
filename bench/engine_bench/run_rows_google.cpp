#include <benchmark/benchmark.h>

#include "bench/engine_bench/run_rows.h"
#include "engine/core/errors.h"

namespace engine::bench {
namespace {

// Our own table comes at the end; --benchmark_out still writes Google Benchmark's.
class Silent final : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>&) override {}
};

void report(benchmark::State& state, const Row& row) {
  const double seconds = row.engine.seconds.median;
  state.counters["GB/s"] = static_cast<double>(row.bytes) / seconds * 1e-9;
  state.counters["GFLOP/s"] = static_cast<double>(row.flops) / seconds * 1e-9;
  state.counters["share_of_limit"] = row.share_of_limit;
  if (row.engine.error) state.counters["error"] = *row.engine.error;
  if (row.peer) state.counters["ratio"] = row.ratio();
}

}  // namespace

void run_rows(const std::vector<std::string>& names,
              const std::function<std::optional<Row>(std::size_t)>& measure,
              const std::vector<std::string>& google_options) {
  std::vector<std::string> words = {"engine_bench"};
  words.insert(words.end(), google_options.begin(), google_options.end());
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  int count = static_cast<int>(arguments.size());
  arguments.push_back(nullptr);
  benchmark::Initialize(&count, arguments.data());
  ENGINE_CHECK(count == 1, arguments[1], ": Google Benchmark has no such option");
  for (std::size_t i = 0; i < names.size(); ++i) {
    // One iteration: repetition, alternation and statistics are ours.
    benchmark::RegisterBenchmark(names[i].c_str(),
                                 [i, &measure](benchmark::State& state) {
                                   for (auto unused : state) {
                                     (void)unused;
                                     const std::optional<Row> row = measure(i);
                                     if (!row) {
                                       state.SkipWithError("left out");
                                       break;
                                     }
                                     state.SetIterationTime(row->engine.seconds.median);
                                     report(state, *row);
                                   }
                                 })
        ->UseManualTime()
        ->Iterations(1);
  }
  Silent silent;
  benchmark::RunSpecifiedBenchmarks(&silent);
  benchmark::Shutdown();
}

}  // namespace engine::bench
