// engine_bench's clock on the emulated GPU: what a block of calls is there.
#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include "bench/engine_bench/cuda_device.h"
#include "engine/core/cuda/check.h"
#include "engine/core/tensor.h"
#include "engine/kernels/unary.h"
#include "simt/control.h"

namespace engine::bench {
namespace {

// Calls of a small kernel; their numbers are noted.
struct Calls {
  Device device = Device::cuda();
  TensorType type{{1000}, DType::f32};
  Tensor x = Tensor::zeros(type.shape, type.dtype, device);
  Tensor y = Tensor::zeros(type.shape, type.dtype, device);
  std::unique_ptr<Kernel> kernel =
      UnaryOp(UnaryMember::relu).prepare({device, {&type, 1}, {&type, 1}, {}});
  std::vector<int> numbers;

  Enqueue enqueue() {
    return [this](const Stream& stream, int call) {
      numbers.push_back(call);
      const void* in = x.data();
      void* out = y.data();
      kernel->run(stream, {{&in, 1}, {&out, 1}, nullptr});
    };
  }
};

TEST(CudaStopwatch, ShortCallsAreRecordedOnceAndReplayedAsOneGraph) {
  Calls calls;
  const auto stopwatch = make_cuda_stopwatch(calls.device);
  const auto block = stopwatch->block(calls.enqueue(), 5, true);
  EXPECT_EQ(calls.numbers, (std::vector<int>{0, 1, 2, 3, 4}));
  simt::counters() = {};
  EXPECT_GT(block->seconds(), 0);
  EXPECT_GT(block->seconds(), 0);
  EXPECT_EQ(simt::counters().graph_launches, 2u);
  EXPECT_EQ(simt::counters().launches, 10u);
  EXPECT_EQ(calls.numbers.size(), 5u);
}

TEST(CudaStopwatch, LongCallsAreEnqueuedAndGoOnFromBlockToBlock) {
  Calls calls;
  const auto stopwatch = make_cuda_stopwatch(calls.device);
  const auto block = stopwatch->block(calls.enqueue(), 3, false);
  simt::counters() = {};
  EXPECT_GT(block->seconds(), 0);
  EXPECT_GT(block->seconds(), 0);
  EXPECT_EQ(simt::counters().graph_launches, 0u);
  EXPECT_EQ(simt::counters().launches, 6u);
  EXPECT_EQ(calls.numbers, (std::vector<int>{0, 1, 2, 3, 4, 5}));
}

// A library may synchronise, which no recording allows: then it is timed as it is.
TEST(CudaStopwatch, CallsThatCannotBeRecordedAreEnqueued) {
  Calls calls;
  const auto stopwatch = make_cuda_stopwatch(calls.device);
  simt::fail_calls("cudaStreamBeginCapture", cudaErrorNotSupported);
  const auto block = stopwatch->block(calls.enqueue(), 4, true);
  simt::counters() = {};
  EXPECT_GT(block->seconds(), 0);
  EXPECT_EQ(simt::counters().graph_launches, 0u);
  EXPECT_EQ(simt::counters().launches, 4u);
  simt::reset();
}

}  // namespace
}  // namespace engine::bench
