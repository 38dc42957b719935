// Statistics, JSON, the order of the table, comparison with an earlier run.
#include "bench/engine_bench/results.h"

#include <cmath>
#include <csignal>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "bench/engine_bench/measure.h"
#include "bench/engine_bench/options.h"
#include "bench/engine_bench/table.h"

namespace engine::bench {
namespace {

using testing::HasSubstr;

TEST(Statistics, MedianAndQuartilesInterpolate) {
  const Spread even = spread_of({4, 1, 3, 2});
  EXPECT_DOUBLE_EQ(even.median, 2.5);
  EXPECT_DOUBLE_EQ(even.low, 1.75);
  EXPECT_DOUBLE_EQ(even.high, 3.25);
  EXPECT_EQ(even.n, 4);
  EXPECT_DOUBLE_EQ(relative_spread(even), 0.3);
  const Spread one = spread_of({7});
  EXPECT_EQ(one.median, 7);
  EXPECT_EQ(one.high, 7);
  EXPECT_THROW(spread_of({}), InvalidArgument);
}

TEST(Statistics, GeometricMean) {
  EXPECT_DOUBLE_EQ(geometric_mean(std::vector{0.5, 2.0}), 1);
  EXPECT_NEAR(geometric_mean(std::vector{1.0, 10.0, 100.0}), 10, 1e-12);
  EXPECT_THROW(geometric_mean(std::vector{1.0, 0.0}), InvalidArgument);
  EXPECT_THROW(geometric_mean(std::vector<double>{}), InvalidArgument);
}

TEST(Statistics, Settling) {
  EXPECT_FALSE(has_settled(std::vector<double>{1, 1, 1, 1, 1}, 3, 0.1));
  EXPECT_TRUE(has_settled(std::vector<double>{1, 1, 1, 1, 1, 1}, 3, 0.1));
  EXPECT_FALSE(has_settled(std::vector<double>{2, 2, 2, 1, 1, 1}, 3, 0.1));
  EXPECT_TRUE(has_settled(std::vector<double>{9, 2, 2, 2, 1, 1, 1, 1, 1, 1}, 3, 0.1));
}

Side side(double seconds, double spread = 0) {
  return {
      .name = "side",
      .algorithm = "loops",
      .seconds = {.median = seconds, .low = seconds - spread, .high = seconds + spread, .n = 9}};
}

Row row(const std::string& name, double ours, double theirs, const std::string& shape_class) {
  Row row{.name = name, .family = "conv2d", .shape_class = shape_class, .dtype = "f32"};
  row.bytes = 1000;
  row.flops = 2000;
  row.limit = "copy";
  row.share_of_limit = 0.5;
  row.engine = side(ours);
  if (theirs > 0) row.peer = side(theirs);
  return row;
}

Results sample() {
  Results results;
  results.header = {{"device", "a \"machine\""}};
  results.ceilings = {.copy_bytes_per_second = 1e9, .flops_per_second = {{2e9, 3e9, 0, 4e9}}};
  results.rows = {row("win", 1, 2, "large"), row("alone", 1, 0, ""), row("loss", 3, 2, "large"),
                  row("narrow", 1, 4, "narrow")};
  results.rows[0].engine.error = 1e-7;
  results.rows[0].engine.share_of_bound = 0.25;
  results.rows[3].has_settled = false;
  results.left_out = {{"absent", "no kernel"}};
  return results;
}

TEST(Results, JsonComesBack) {
  const Results results = sample();
  const std::string text = to_json(results);
  const Results again = from_json(text, "test");
  EXPECT_EQ(to_json(again), text);
  ASSERT_EQ(again.rows.size(), 4u);
  EXPECT_EQ(again.rows[0].engine.error, 1e-7);
  EXPECT_FALSE(again.rows[1].peer.has_value());
  EXPECT_EQ(again.rows[2].ratio(), 1.5);
  EXPECT_EQ(again.left_out[0].reason, "no kernel");
  EXPECT_TRUE(again.rows[0].has_settled);
  EXPECT_FALSE(again.rows[3].has_settled);
  EXPECT_EQ(again.header, results.header);
  EXPECT_EQ(again.ceilings.flops_per_second[MathMode::tf32], 3e9);
  EXPECT_EQ(again.ceilings.flops_per_second[MathMode::f16], 4e9);
}

TEST(Results, DamagedJsonIsRefusedByName) {
  const std::string text = to_json(sample());
  for (const std::string& bad :
       {std::string(), std::string("[]"), std::string("{}"), text.substr(0, text.size() / 2),
        std::string(text).replace(text.find("\"engine_bench\": 2"), 17, "\"engine_bench\": 7"),
        std::string(text).replace(text.find("\"median_seconds\""), 16, "\"median_secondz\"")}) {
    try {
      from_json(bad, "file.json");
      ADD_FAILURE() << bad;
    } catch (const InvalidArgument& error) {
      EXPECT_THAT(error.what(), HasSubstr("file.json"));
    }
  }
  EXPECT_THROW(read_results("/nonexistent/results.json"), IoError);
  EXPECT_THROW(write_results("/nonexistent/results.json", sample()), IoError);
}

// A write that fails half way, as in a full disk or when the program is stopped.
TEST(Results, AFailedWriteLeavesTheOldFile) {
  const std::string path = testing::TempDir() + "engine_bench_results.json";
  Results results = sample();
  write_results(path, results);
  results.rows.clear();
  for (int i = 0; i < 1000; ++i) results.rows.push_back(row("another", 1, 2, "large"));
  rlimit before = {};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small{.rlim_cur = 10000, .rlim_max = before.rlim_max};
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &small);
  EXPECT_THROW(write_results(path, results), IoError);
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(to_json(read_results(path)), to_json(sample()));
  std::filesystem::remove(path);
}

TEST(Results, OnlyRowsMeasuredAlikeStandUnderOneHeader) {
  const Header header = {
      {"date", "today"}, {"device", "cpu, 2 threads"}, {"engine", "0.1.0, a"}, {"seconds", "1"},
      {"quick", "no"},   {"load_average", "0.1"},      {"cuda_runtime", ""}};
  EXPECT_EQ(difference_between(header, header), "");
  Header other = header;
  other[0].second = "tomorrow";
  other[5].second = "9";
  other.emplace_back("at_end_load_average", "3");
  EXPECT_EQ(difference_between(other, header), "");
  for (std::size_t i = 1; i < 5; ++i) {
    other = header;
    other[i].second = "another";
    EXPECT_EQ(difference_between(other, header),
              join(header[i].first, " \"another\", not \"", header[i].second, '"'));
  }
  // A file from before an entry was kept says nothing about it.
  EXPECT_EQ(difference_between({header[1], header[2]}, header), "seconds \"\", not \"1\"");
}

TEST(Results, FaultsAreErrorsAboveTheBound) {
  Results results = sample();
  EXPECT_TRUE(faults_of(results).empty());
  results.rows[0].engine.share_of_bound = 1.5;
  EXPECT_EQ(faults_of(results).size(), 1u);
  results.rows[1].engine.share_of_bound = std::nan("");
  EXPECT_EQ(faults_of(results).size(), 2u);
  results.rows[2].engine.seconds.median = 0;
  EXPECT_EQ(faults_of(results).size(), 3u);
}

TEST(Table, LossesComeFirst) {
  const auto rows = losses_first(sample().rows);
  EXPECT_EQ(rows[0].name, "loss");
  EXPECT_EQ(rows[1].name, "win");
  EXPECT_EQ(rows[2].name, "narrow");
  EXPECT_EQ(rows[3].name, "alone");
  const std::string text = table_of(sample());
  EXPECT_LT(text.find("loss"), text.find("win"));
  EXPECT_THAT(text, HasSubstr("absent: no kernel"));
  EXPECT_THAT(text, HasSubstr("1.500"));
  EXPECT_THAT(text, HasSubstr("  9~ narrow"));
  EXPECT_THAT(text, HasSubstr("  9  win"));
  EXPECT_THAT(text, HasSubstr("copy 1.0 GB/s, f32 0.002 TFLOP/s, tf32 0.003 TFLOP/s, f16 0.004"));
}

TEST(Table, MeansOfEachClassApart) {
  const auto means = class_means(sample());
  ASSERT_EQ(means.size(), 2u);
  EXPECT_EQ(means[0].shape_class, "narrow");
  EXPECT_DOUBLE_EQ(means[0].ratio, 0.25);
  EXPECT_EQ(means[1].shape_class, "large");
  EXPECT_DOUBLE_EQ(means[1].ratio, std::sqrt(0.5 * 1.5));
  EXPECT_EQ(means[1].rows, 2);
  EXPECT_EQ(means[1].losses, 1);
}

TEST(Compare, SlowerMeansBeyondToleranceAndSpread) {
  Results before, after;
  before.rows = {row("slower", 1, 0, ""), row("noisy", 1, 0, ""), row("same", 1, 0, ""),
                 row("faster", 1, 0, ""), row("gone", 1, 0, "")};
  after.rows = {row("slower", 1.2, 0, ""), row("noisy", 1.2, 0, ""), row("same", 1.02, 0, ""),
                row("faster", 0.5, 0, ""), row("new", 1, 0, "")};
  after.rows[1].engine = side(1.2, 0.3);
  const Comparison comparison = compare(before, after);
  EXPECT_EQ(comparison.regressions, 1);
  EXPECT_THAT(comparison.text, HasSubstr("slower slower"));
  EXPECT_THAT(comparison.text, HasSubstr("faster faster"));
  EXPECT_THAT(comparison.text, HasSubstr("over 4 rows, 1 slower"));
  EXPECT_THAT(compare(before, {}).text, HasSubstr("no row is in both"));
}

TEST(LeastSeconds, TheLargerOfTwoTimes) {
  const Ceilings ceilings{.copy_bytes_per_second = 100, .flops_per_second = {{10, 20, 1000, 0}}};
  const Cost cost{.bytes = 200, .flops = 100};
  EXPECT_EQ(least_seconds(cost, MathMode::f32, ceilings), std::pair(10.0, std::string("matrix")));
  EXPECT_EQ(least_seconds(cost, MathMode::tf32, ceilings), std::pair(5.0, std::string("matrix")));
  EXPECT_EQ(least_seconds(cost, MathMode::bf16, ceilings), std::pair(2.0, std::string("copy")));
  EXPECT_EQ(least_seconds(cost, MathMode::f16, ceilings), std::pair(2.0, std::string("copy")));
}

std::string error_of(const std::vector<std::string>& words) {
  try {
    parse_options(words, "shapes");
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "no error";
}

TEST(BenchOptions, AreRead) {
  const Options options = parse_options(
      {"--quick", "--conv", "n=1/2,h=8,c=4,k=4,r=1", "--dtype=bf16,tf32", "--pass",
       "forward,backward_weights", "--shard", "2/3", "--benchmark_out=x.json", "--no-peer"},
      "shapes");
  EXPECT_EQ(options.convs.size(), 2u);
  EXPECT_EQ(options.modes, (std::vector{MathMode::bf16, MathMode::tf32}));
  EXPECT_EQ(options.passes, (std::vector{Pass::forward, Pass::backward_weights}));
  EXPECT_EQ(options.shard, 2);
  EXPECT_EQ(options.shards, 3);
  EXPECT_EQ(options.seconds, 0.1);
  EXPECT_EQ(options.google, std::vector<std::string>{"--benchmark_out=x.json"});
  EXPECT_FALSE(options.has_peer);
  EXPECT_EQ(parse_options({"--seconds", "2", "--quick"}, "shapes").seconds, 2);
}

TEST(BenchOptions, BadOnesAreNamed) {
  EXPECT_THAT(error_of({"--colour"}), HasSubstr("unknown option --colour"));
  EXPECT_THAT(error_of({"--json"}), HasSubstr("--json needs a value"));
  EXPECT_THAT(error_of({"--shard", "4/3"}), HasSubstr("4 of 3"));
  EXPECT_THAT(error_of({"--shard", "4"}), HasSubstr("is not i/n"));
  EXPECT_THAT(error_of({"--seconds", "nan"}), HasSubstr("is not a number"));
  EXPECT_THAT(error_of({"--dtype", "f64"}), HasSubstr("none of f32, tf32, bf16, f16"));
  EXPECT_THAT(error_of({"--pass", "back"}), HasSubstr("is none of forward"));
  EXPECT_THAT(error_of({"--family", "rnn"}), HasSubstr("none of conv2d, linear, memory, style"));
  EXPECT_THAT(error_of({"--with", "x"}), HasSubstr("goes with --compare"));
  EXPECT_THAT(error_of({"--continue"}), HasSubstr("goes with --json"));
}

}  // namespace
}  // namespace engine::bench
