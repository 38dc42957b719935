#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <gtest/gtest.h>

#include "sample_runs.h"

// Correct kernels of every kind under every schedule: right results, and no report.
namespace engine::simt {
namespace {

struct Sample {
  const char* name;
  Comparison (*run)();
};
void PrintTo(const Sample& sample, std::ostream* out) {
  *out << sample.name;
}

const Sample kSamples[] = {
    {"sum_of_1", [] { return run_sum(1); }},
    {"sum_of_4099", [] { return run_sum(4099); }},
    {"sum_of_100003", [] { return run_sum(100003); }},
    {"count_positive_of_1", [] { return run_count_positive(1); }},
    {"count_positive_of_4099", [] { return run_count_positive(4099); }},
    {"max_pool_f32", [] { return run_max_pool<float>(); }},
    {"max_pool_f16", [] { return run_max_pool<__half>(); }},
    {"max_pool_bf16", [] { return run_max_pool<__nv_bfloat16>(); }},
    {"conv2d_3x3_stride_2",
     [] {
       return run_conv2d({1, 9, 7, 32, 40, 3, 2, 1});
     }},
    {"conv2d_1x1",
     [] {
       return run_conv2d({2, 8, 8, 64, 136, 1, 1, 0});
     }},
    {"conv2d_3x3",
     [] {
       return run_conv2d({1, 16, 16, 64, 64, 3, 1, 1});
     }},
    {"adam", [] { return run_adam(); }},
    {"to_bytes", [] { return run_to_bytes(300); }},
    {"matmul_one_tile",
     [] {
       return run_matmul({128, 128, 64, 4, 1});
     }},
    {"matmul_edges",
     [] {
       return run_matmul({200, 136, 168, 2, 1});
     }},
    {"matmul_persistent",
     [] {
       return run_matmul({256, 256, 320, 2, 1});
     }},
    {"matmul_cluster_edges",
     [] {
       return run_matmul({200, 136, 168, 2, 2});
     }},
    {"matmul_cluster",
     [] {
       return run_matmul({512, 128, 320, 4, 2});
     }},
};

class SampleTest : public EmulatorTest,
                   public testing::WithParamInterface<std::tuple<Sample, NamedSchedule>> {};

TEST_P(SampleTest, IsRightAndWithoutReports) {
  const auto& [sample, schedule] = GetParam();
  config().schedule = schedule.schedule;
  config().seed = schedule.seed;
  EXPECT_TRUE(sample.run().result());
  EXPECT_EQ(all_reports(), "");
}
INSTANTIATE_TEST_SUITE_P(Samples, SampleTest,
                         testing::Combine(testing::ValuesIn(kSamples),
                                          testing::ValuesIn(kSchedules)),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param).name) + "_" +
                                  std::get<1>(info.param).name;
                         });

TEST_F(EmulatorTest, WorkersGiveTheSameResults) {
  if (is_check_build()) GTEST_SKIP() << "the check build runs blocks one after the other";
  config().workers = 3;
  EXPECT_TRUE(run_conv2d({2, 16, 16, 64, 136, 3, 1, 1}).result());
  EXPECT_TRUE(run_matmul({512, 256, 128, 4, 1}).result());
  config().workers = 1;
  EXPECT_EQ(all_reports(), "");
}

TEST_F(EmulatorTest, ConvolutionHasNoBankConflicts) {
  run_conv2d({1, 16, 16, 64, 64, 3, 1, 1});
  EXPECT_GT(counters().ldmatrix_phases, 0u);
  EXPECT_EQ(counters().ldmatrix_conflicts, 0u);
}

}  // namespace
}  // namespace engine::simt
