#include <regex>

#include <cuda_bf16.h>
#include <gtest/gtest.h>

#include "kernels/planted_bug.h"
#include "sample_runs.h"

namespace engine::samples {
Bug planted_bug = Bug::kNone;
}

// Every mistake planted into a sample kernel is found under every schedule of the check build, at
// its line where the mistake has one. The fast build finds those that `fast` says under some
// schedule.
namespace engine::simt {
namespace {

using samples::Bug;

Comparison run_reduce() {
  return run_sum(4099);
}
Comparison run_pool() {
  return run_max_pool<__nv_bfloat16>();
}
Comparison run_conv() {
  return run_conv2d({1, 9, 7, 32, 40, 3, 2, 1});
}
Comparison run_gemm() {
  return run_matmul({256, 256, 320, 2, 1});
}
Comparison run_gemm_in_clusters() {
  return run_matmul({256, 256, 320, 2, 2});
}

Comparison run_bytes() {
  return run_to_bytes(300);
}

struct PlantedBug {
  Bug bug;
  const char* name;  // the line that is marked with it has to be in the report
  Comparison (*run)();
  const char* file;      // null: only the result tells
  bool has_line = true;  // false: any line of the file
  bool fast = true;
};
void PrintTo(const PlantedBug& planted, std::ostream* out) {
  *out << planted.name;
}

const PlantedBug kBugs[] = {
    {Bug::kReduceBound, "bound", run_reduce, "reduce.cu"},
    {Bug::kReduceDivergentBarrier, "divergent_barrier", run_reduce, "reduce.cu"},
    {Bug::kReduceNoBarrier, "no_barrier", run_reduce, "reduce.cu"},
    {Bug::kReduceUninitialised, "uninitialised", run_reduce, "reduce.cu"},
    {Bug::kReduceShuffleMask, "shuffle_mask", run_reduce, "reduce.cu"},
    {Bug::kReduceNoAtomic, "no_atomic", run_reduce, "reduce.cu", true, false},
    {Bug::kReduceWarpSynchronous, "warp_synchronous", run_reduce, "reduce.cu"},
    {Bug::kMaxPoolEdge, "edge", run_pool, "max_pool.cu"},
    {Bug::kConvWait, "wait", run_conv, "conv2d_forward.cu"},
    {Bug::kConvNoBarrier, "conv_no_barrier", run_conv, "conv2d_forward.cu", false},
    {Bug::kConvSwizzle, "swizzle", run_conv, nullptr},
    {Bug::kConvFragment, "fragment", run_conv, nullptr},
    {Bug::kConvEpilogue, "epilogue", run_conv, "conv2d_forward.cu"},
    {Bug::kAdamOverlap, "overlap", run_adam, "adam.cu", false},
    {Bug::kAdamTail, "tail", run_adam, "adam.cu"},
    {Bug::kToBytesOverlap, "byte_race_of_blocks", run_bytes, "to_bytes.cu", true, false},
    {Bug::kMatmulDescriptor, "descriptor", run_gemm, nullptr},
    {Bug::kMatmulParity, "parity", run_gemm, "matmul_sm90.cu"},
    {Bug::kMatmulNoEmptyWait, "no_empty_wait", run_gemm, "matmul_sm90.cu"},
    {Bug::kMatmulBytes, "bytes", run_gemm, "matmul_sm90.cu", false},
    {Bug::kMatmulNoFullWait, "no_full_wait", run_gemm, "matmul_sm90.cu", false},
    {Bug::kMatmulEarlyRelease, "early_release", run_gemm, "matmul_sm90.cu", false},
    {Bug::kMatmulNoWait, "no_wait", run_gemm, "matmul_sm90.cu", false},
    {Bug::kMatmulNoProxyFence, "no_proxy_fence", run_gemm, "matmul_sm90.cu", true, false},
    {Bug::kMatmulNoInitBarrier, "no_init_barrier", run_gemm, "matmul_sm90.cu", false},
    {Bug::kMatmulNoInitFence, "no_init_fence", run_gemm, "matmul_sm90.cu", true, false},
    {Bug::kMatmulNoWgmmaFence, "no_wgmma_fence", run_gemm, "matmul_sm90.cu"},
    {Bug::kMatmulPartedWarp, "parted_warp", run_gemm_in_clusters, "matmul_sm90.cu"},
};

class PlantedBugTest : public EmulatorTest, public testing::WithParamInterface<PlantedBug> {
 protected:
  // Mismatches, or 0 where a failed launch left nothing to compare.
  std::size_t run(const NamedSchedule& schedule) {
    reset();
    config().schedule = schedule.schedule;
    config().seed = schedule.seed;
    samples::planted_bug = GetParam().bug;
    std::size_t mismatches = 0;
    try {
      mismatches = GetParam().run().mismatches();
    } catch (const CudaError&) {
    }
    cudaDeviceSynchronize();  // looks behind the ends of allocations
    samples::planted_bug = Bug::kNone;
    return mismatches;
  }
};

TEST_P(PlantedBugTest, IsFound) {
  const PlantedBug& planted = GetParam();
  bool found = false;
  for (const NamedSchedule& schedule : kSchedules) {
    SCOPED_TRACE(schedule.name);
    const std::size_t mismatches = run(schedule);
    const std::string text = all_reports();
    found |= mismatches > 0 || !reports().empty();
    if (!is_check_build()) continue;
    if (!planted.file) {
      EXPECT_GT(mismatches, 0u);
    } else if (planted.has_line) {
      EXPECT_NE(text.find(place_of_mistake(planted.file, planted.name)), std::string::npos)
          << place_of_mistake(planted.file, planted.name) << " is not in\n"
          << text;
    } else {
      const std::regex place(std::string(planted.file) + ":[0-9]+");
      EXPECT_TRUE(std::regex_search(text, place)) << text;
    }
  }
  EXPECT_EQ(found, planted.fast || is_check_build());
}
INSTANTIATE_TEST_SUITE_P(Bugs, PlantedBugTest, testing::ValuesIn(kBugs),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace engine::simt
