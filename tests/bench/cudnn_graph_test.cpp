// cuDNN's graph API without a GPU: cuDNN makes plans for a GPU that is described to it. Nothing
// runs.
#include "bench/engine_bench/cudnn_graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bench/engine_bench/shapes.h"
#include "engine/core/errors.h"

namespace engine::bench {
namespace {

// An H100's properties under the names that cuDNN asks for; figures of the CUDA programming guide.
constexpr const char* kH100 = R"({
  "maxGridSize": [2147483647, 65535, 65535], "maxBlockSize": [1024, 1024, 64],
  "deviceName": "H100", "regsPerBlock": 65536, "multiProcessorCount": 132,
  "smClockRateKHz": 1980000, "memClockRateKHz": 2619000, "l2CacheSize": 52428800, "warpSize": 32,
  "maxSharedMemoryPerBlock": 49152, "maxSharedMemoryPerBlockOptin": 232448,
  "reservedSharedMemoryPerBlock": 1024, "maxRegistersPerSM": 65536, "pciDeviceId": 0,
  "maxCtasPerSM": 32, "maxThreadsPerBlock": 1024, "maxThreadsPerSM": 2048, "isTccDriver": 0,
  "supportCoopLaunch": 1, "deviceVer": 900, "driverVer": 13000, "cudaDeviceId": 0,
  "totalGlobalMem": 85899345920})";

class CudnnPlans : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (cudnnGetVersion() < 90800) GTEST_SKIP() << "cuDNN older than 9.8 knows no described GPU";
  }
};

std::vector<cudnn::Plan> plans(const std::string& text, Pass pass, MathMode math, DType result,
                               std::int64_t limit_bytes = 256 << 20, int limit = 4) {
  const cudnn::Target target{std::string(kH100)};
  const cudnn::ConvGraph graph{parse_conv_shapes(text)[0], pass, math, result};
  return graph.plans(target, limit_bytes, limit);
}

TEST_P(CudnnPlans, ExistForAllPassesAndTypes) {
  for (const Pass pass : {Pass::forward, Pass::backward_data, Pass::backward_weights}) {
    for (const MathMode math : kMathModes) {
      const auto found = plans(GetParam(), pass, math, storage_of(math), 256 << 20, 1);
      EXPECT_FALSE(found.empty()) << name_of(pass) << ' ' << name_of(math);
      for (const cudnn::Plan& plan : found) EXPECT_LE(plan.workspace_bytes, 256 << 20);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, CudnnPlans,
                         testing::Values("n=32,h=56,c=64,k=64,r=3",
                                         "n=16,h=224,c=3,k=64,r=7,stride=2",
                                         "n=2,h=25,w=5,c=64,k=64,r=3,groups=64"));

TEST_F(CudnnPlans, F32IsStrict) {
  const auto found =
      plans("n=4,h=14,c=64,k=64,r=3", Pass::forward, MathMode::f32, DType::f32, 256 << 20, 0);
  EXPECT_GT(found.size(), 1u);
  for (const cudnn::Plan& plan : found) {
    EXPECT_THAT(plan.description, testing::Not(testing::HasSubstr("tensor_core")));
    EXPECT_THAT(plan.description, testing::Not(testing::HasSubstr("down_convert")));
  }
}

// In tf32 tensor cores take f32 as it lies there; nobody may store it as a narrower type first.
TEST_F(CudnnPlans, AllOtherModesUseTensorCores) {
  for (const MathMode math : {MathMode::tf32, MathMode::bf16, MathMode::f16}) {
    const auto found = plans("n=32,h=28,c=128,k=128,r=3", Pass::forward, math, storage_of(math));
    ASSERT_EQ(found.size(), 4u) << name_of(math);
    EXPECT_THAT(found[0].description, testing::HasSubstr("tensor_core")) << name_of(math);
    for (const cudnn::Plan& plan : found) {
      EXPECT_THAT(plan.description, testing::Not(testing::HasSubstr("down_convert")));
    }
  }
}

TEST_F(CudnnPlans, KeepTheWorkspaceLimit) {
  for (const cudnn::Plan& plan :
       plans("n=8,h=14,c=64,k=64,r=3", Pass::backward_weights, MathMode::bf16, DType::bf16, 0)) {
    EXPECT_EQ(plan.workspace_bytes, 0);
  }
}

TEST_F(CudnnPlans, ErrorsCarryCudnnsWords) {
  try {
    const cudnn::Target target{std::string("{}")};
    FAIL();
  } catch (const CudaError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("CUDNN_STATUS_BAD_PARAM"));
  }
}

}  // namespace
}  // namespace engine::bench
