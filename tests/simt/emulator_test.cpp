#include <functional>

#include <gtest/gtest.h>

#include "kernels/block_order.h"
#include "kernels/mistakes.h"
#include "kernels/scale_add.h"
#include "support.h"

// The emulated runtime, and one test for each kind of mistake that a kernel can make.
namespace engine::simt {
namespace {

using samples::Mistake;
using samples::run_mistake;
using samples::scale_add;

struct MistakeCase {
  const char* name;
  Mistake mistake;
  const char* kind;  // of the first report
  const char* in_text;
  bool only_check = false;  // the fast build may see nothing
};
void PrintTo(const MistakeCase& mistake, std::ostream* out) {
  *out << mistake.name;
}

const char* const kPlace = nullptr;  // the line that is marked with the case's name

const MistakeCase kMistakes[] = {
    {"static_shared_overflow", Mistake::kStaticOverflow, "out-of-bounds", kPlace, true},
    {"dynamic_shared_overflow", Mistake::kDynamicOverflow, "out-of-bounds", kPlace, true},
    {"misaligned_vector", Mistake::kMisaligned, "misaligned", kPlace, true},
    {"two_barrier_sites", Mistake::kTwoBarriers, "divergent-barrier", "mistakes.cu:"},
    {"local_array_index", Mistake::kLocalIndex, "out-of-bounds", kPlace, true},
    {"spin_without_yield", Mistake::kSpin, "hang", "1 s without"},
    {"same_value_race", Mistake::kSameValueRace, "shared-race", "::flag", true},
    {"race_with_neighbour", Mistake::kNeighbourRace, "global-race", kPlace, true},
    {"race_with_an_earlier_block", Mistake::kThirdBlockRace, "global-race", kPlace, true},
    {"named_barrier_counts", Mistake::kNamedBarrier, "barrier", kPlace},
    {"copy_never_waited_for", Mistake::kCopyNotWaitedFor, "cp.async", "never waited for"},
    {"foreign_local_variable", Mistake::kForeignLocal, "local-memory", kPlace, true},
};

class MistakeTest : public EmulatorTest, public testing::WithParamInterface<MistakeCase> {};

TEST_P(MistakeTest, IsReported) {
  const MistakeCase& mistake = GetParam();
  if (mistake.only_check && !is_check_build()) GTEST_SKIP() << "needs the check build";
  config().hang_seconds = 1;
  const DeviceArray<float> x(std::vector<float>(4096, 1.0f)), out(4096);
  const DeviceArray<int> flag(std::vector<int>{0});
  try {
    run_mistake(mistake.mistake, x.data(), out.data(), flag.data());
    cudaDeviceSynchronize();
  } catch (const CudaError&) {
  }
  config().hang_seconds = 60;
  const std::string text =
      mistake.in_text ? mistake.in_text : place_of_mistake("mistakes.cu", mistake.name);
  bool found = false;
  for (const Report& report : reports()) {
    found |= report.kind == mistake.kind && report.text.find(text) != std::string::npos;
  }
  EXPECT_TRUE(found) << "want " << mistake.kind << " with " << text << ", got\n" << all_reports();
}
INSTANTIATE_TEST_SUITE_P(Kinds, MistakeTest, testing::ValuesIn(kMistakes),
                         [](const auto& info) { return std::string(info.param.name); });

// The compiler fills local variables with 0xfe bytes.
TEST_F(EmulatorTest, UninitialisedLocalArrayIsHuge) {
  if (!is_check_build()) GTEST_SKIP() << "needs the check build";
  const DeviceArray<float> x(4096), out(4096);
  run_mistake(Mistake::kLocalUninitialised, x.data(), out.data(), nullptr);
  EXPECT_FALSE(std::fabs(out.values()[0]) < 1e38f);
}

TEST_F(EmulatorTest, SpinWithNanosleepEnds) {
  const DeviceArray<float> x(4096), out(4096);
  const DeviceArray<int> flag(std::vector<int>{0});
  run_mistake(Mistake::kPoliteSpin, x.data(), out.data(), flag.data());
  EXPECT_EQ(out.values()[0], 1.0f);
  EXPECT_EQ(all_reports(), "");
}

TEST_F(EmulatorTest, LaunchErrorNamesKernelAndConfiguration) {
  try {
    run_mistake(Mistake::kTooManyThreads, nullptr, nullptr, nullptr);
    FAIL() << "no error";
  } catch (const CudaError& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("empty_kernel"), std::string::npos) << text;
    EXPECT_NE(text.find("grid (3, 1, 1), block (2048, 1, 1)"), std::string::npos) << text;
    EXPECT_NE(text.find("cudaErrorInvalidConfiguration"), std::string::npos) << text;
  }
}

TEST_F(EmulatorTest, EmptyGridLaunchesNothing) {
  run_mistake(Mistake::kEmptyGrid, nullptr, nullptr, nullptr);
  EXPECT_EQ(counters().launches, 0u);
  EXPECT_EQ(all_reports(), "");
}

// --- memory
// ----------------------------------------------------------------------------------------

TEST_F(EmulatorTest, UseAfterFreeIsReported) {
  float* p = nullptr;
  ASSERT_EQ(cudaMalloc(reinterpret_cast<void**>(&p), 40), cudaSuccess);
  ASSERT_EQ(cudaFree(p), cudaSuccess);
  EXPECT_THROW(scale_add(p, p, 1, 1, 10, nullptr), CudaError);
  ASSERT_FALSE(reports().empty());
  EXPECT_EQ(reports()[0].kind, "use-after-free") << all_reports();
}

TEST_F(EmulatorTest, WriteBeyondAnAllocationIsReported) {
  const DeviceArray<float> x(10);
  EXPECT_THROW(scale_add(x.data(), x.data(), 1, 1, 1 << 20, nullptr), CudaError);
  ASSERT_FALSE(reports().empty());
  EXPECT_EQ(reports().back().kind, "out-of-bounds") << all_reports();
}

TEST_F(EmulatorTest, UninitialisedDeviceMemoryIsNan) {
  const DeviceArray<float> x(10), y(10);
  scale_add(y.data(), x.data(), 1, 1, 10, nullptr);
  EXPECT_TRUE(std::isnan(y.values()[0]));
  if (is_check_build()) {
    ASSERT_FALSE(reports().empty());
    EXPECT_EQ(reports()[0].kind, "uninitialised");
    EXPECT_NE(reports()[0].text.find("scale_add.cu:"), std::string::npos) << all_reports();
  }
}

TEST_F(EmulatorTest, HostPointerInAKernelIsReported) {
  if (!is_check_build()) GTEST_SKIP() << "needs the check build";
  const std::vector<float> host(10);
  const DeviceArray<float> y(10);
  scale_add(y.data(), host.data(), 1, 1, 10, nullptr);
  ASSERT_FALSE(reports().empty());
  EXPECT_EQ(reports()[0].kind, "host-memory") << all_reports();
}

TEST_F(EmulatorTest, CopyBeyondAnAllocationIsRefused) {
  const DeviceArray<float> x(10);
  const std::vector<float> host(11);
  EXPECT_NE(cudaMemcpy(x.data(), host.data(), 44, cudaMemcpyHostToDevice), cudaSuccess);
  ASSERT_FALSE(reports().empty());
  EXPECT_EQ(reports()[0].kind, "out-of-bounds");
}

TEST_F(EmulatorTest, LiveBytesAreCounted) {
  const std::size_t before = live_device_bytes();
  const DeviceArray<float> x(10);
  EXPECT_EQ(live_device_bytes(), before + 40);
}

// --- several devices
// ------------------------------------------------------------------------------

class DeviceTest : public EmulatorTest {
 protected:
  DeviceTest() {
    machine().gpus = 2;
    cudaSetDevice(1);
    cudaMalloc(&there, 4000);
    cudaMemset(there, 0, 4000);
    cudaStreamCreate(&stream_there);
    cudaEventCreate(&event_there);
    cudaSetDevice(0);
    cudaMalloc(&here, 4000);
    cudaMemset(here, 0, 4000);
    EXPECT_TRUE(reports().empty());
  }
  ~DeviceTest() override {
    cudaFree(here);
    cudaFree(there);
    cudaEventDestroy(event_there);
    cudaStreamDestroy(stream_there);
  }
  // Forgets it.
  void expect_report(const std::string& text) {
    ASSERT_EQ(reports().size(), 1u) << text;
    EXPECT_EQ(reports()[0].kind, "device");
    EXPECT_EQ(reports()[0].text, text);
    reset();
    machine().gpus = 2;
  }

  float *here = nullptr, *there = nullptr;
  cudaStream_t stream_there = nullptr;
  cudaEvent_t event_there = nullptr;
};

TEST_F(DeviceTest, WorkIsGivenToTheDeviceThatItBelongsTo) {
  EXPECT_THROW(scale_add(here, here, 1, 1, 1000, stream_there), CudaError);
  expect_report("the current device is on cuda:0, the stream on cuda:1");
  EXPECT_THROW(scale_add(here, there, 1, 1, 1000, nullptr), CudaError);
  ASSERT_FALSE(reports().empty());
  EXPECT_EQ(reports()[0].kind, "device");
  EXPECT_NE(reports()[0].text.find("a 4000-byte allocation of cuda:1"), std::string::npos);
  EXPECT_NE(reports()[0].text.find("scale_add_kernel"), std::string::npos);
  reset();
  machine().gpus = 2;
  EXPECT_NE(cudaMemsetAsync(there, 0, 4000, nullptr), cudaSuccess);
  expect_report("memory is on cuda:1, the filling stream on cuda:0");
  EXPECT_NE(cudaFreeAsync(here, stream_there), cudaSuccess);
  expect_report("memory is on cuda:0, the freeing stream on cuda:1");
  EXPECT_NE(cudaEventRecord(event_there, nullptr), cudaSuccess);
  expect_report("the event is on cuda:1, its stream on cuda:0");
  // Copies and waits go between devices.
  EXPECT_EQ(cudaMemcpyAsync(here, there, 4000, cudaMemcpyDefault, stream_there), cudaSuccess);
  EXPECT_EQ(cudaEventRecord(event_there, stream_there), cudaSuccess);
  EXPECT_EQ(cudaStreamWaitEvent(nullptr, event_there, 0), cudaSuccess);
  EXPECT_TRUE(reports().empty());
}

TEST_F(DeviceTest, ContextsAreMadeByTheCallsThatMakeThem) {
  reset();
  machine().gpus = 3;
  int device = -1, count = 0;
  cudaGetDevice(&device);
  cudaGetDeviceCount(&count);
  EXPECT_EQ(device, 0);
  EXPECT_TRUE(devices_with_context().empty());
  cudaInitDevice(2, 0, 0);
  cudaGetDevice(&device);
  EXPECT_EQ(device, 0);
  EXPECT_EQ(devices_with_context(), std::set<int>{2});
  cudaSetDevice(1);
  EXPECT_EQ(devices_with_context(), (std::set<int>{1, 2}));
  EXPECT_EQ(cudaSetDevice(3), cudaErrorInvalidDevice);
  cudaGetDevice(&device);
  EXPECT_EQ(device, 1);
  reset();
  cudaDeviceSynchronize();
  EXPECT_TRUE(devices_with_context().empty());
  float* p = nullptr;
  cudaMalloc(&p, 4);
  EXPECT_EQ(devices_with_context(), std::set<int>{0});
  cudaFree(p);
}

// --- order between blocks
// --------------------------------------------------------------------------

class BlockOrderTest : public EmulatorTest,
                       public testing::WithParamInterface<std::tuple<int, NamedSchedule>> {
 protected:
  template <class T>
  void run();
};

template <class T>
void BlockOrderTest::run() {
  const auto order = static_cast<samples::BlockOrder>(std::get<0>(GetParam()));
  config().schedule = std::get<1>(GetParam()).schedule;
  config().seed = std::get<1>(GetParam()).seed;
  const DeviceArray<T> values(20);
  const DeviceArray<int> sum(1);
  const DeviceArray<std::uint32_t> tickets(std::vector<std::uint32_t>{0, 0});
  samples::add_up_in_last_block(order, values.data(), tickets.data(), sum.data(), 20);
  EXPECT_EQ(sum.values()[0], 20 * 21 / 2);
  const bool is_right =
      order == samples::BlockOrder::kAcquireRelease || order == samples::BlockOrder::kFences;
  if (is_right) {
    EXPECT_EQ(all_reports(), "");
  } else if (is_check_build()) {
    EXPECT_NE(all_reports().find("global-race: read"), std::string::npos) << all_reports();
    EXPECT_NE(all_reports().find("block_order.cu:"), std::string::npos) << all_reports();
  }
}
TEST_P(BlockOrderTest, IsUnderstood) {
  run<int>();
}
// Four blocks write to a word.
TEST_P(BlockOrderTest, OfBytesIsUnderstood) {
  run<std::uint8_t>();
}
std::string order_name(const testing::TestParamInfo<std::tuple<int, NamedSchedule>>& info) {
  static const char* const kNames[] = {"acquire_release", "fences", "no_release", "no_acquire",
                                       "wrong_address"};
  return std::string(kNames[std::get<0>(info.param)]) + "_" + std::get<1>(info.param).name;
}
INSTANTIATE_TEST_SUITE_P(Orders, BlockOrderTest,
                         testing::Combine(testing::Range(0, 5), testing::ValuesIn(kSchedules)),
                         order_name);

// --- streams and graphs
// ------------------------------------------------------------------------------

class StreamTest : public EmulatorTest {
 protected:
  StreamTest() : x(std::vector<float>(1000, 2.0f)), y(std::vector<float>(1000, 0.0f)), z(1000) {
    cudaStreamCreateWithFlags(&first, cudaStreamNonBlocking);
    cudaStreamCreateWithFlags(&second, cudaStreamNonBlocking);
    cudaEventCreate(&forked);
    cudaEventCreate(&joined);
  }
  ~StreamTest() override {
    cudaEventDestroy(forked);
    cudaEventDestroy(joined);
    cudaStreamDestroy(first);
    cudaStreamDestroy(second);
  }
  DeviceArray<float> x, y, z;
  cudaStream_t first = nullptr, second = nullptr;
  cudaEvent_t forked = nullptr, joined = nullptr;
};

TEST_F(StreamTest, MissingEventWaitShowsAsWrongData) {
  for (const bool waits : {false, true}) {
    cudaMemset(y.data(), 0, 4000);
    scale_add(y.data(), x.data(), 3, 1, 1000, first);
    cudaEventRecord(forked, first);
    if (waits) cudaStreamWaitEvent(second, forked, 0);
    scale_add(z.data(), y.data(), 1, 1, 1000, second);
    cudaStreamSynchronize(second);
    EXPECT_EQ(z.values()[999], waits ? 8.0f : 1.0f);
    cudaStreamSynchronize(first);
  }
}

TEST_F(StreamTest, GraphWithForkAndJoinReplays) {
  cudaStreamBeginCapture(first, cudaStreamCaptureModeGlobal);
  scale_add(y.data(), y.data(), 1, 1, 1000, first);
  cudaEventRecord(forked, first);
  cudaStreamWaitEvent(second, forked, 0);
  scale_add(z.data(), y.data(), 10, 0, 1000, second);
  cudaEventRecord(joined, second);
  cudaStreamWaitEvent(first, joined, 0);
  scale_add(x.data(), z.data(), 1, 0.5f, 1000, first);
  cudaGraph_t graph;
  ASSERT_EQ(cudaStreamEndCapture(first, &graph), cudaSuccess);
  cudaGraphExec_t executable;
  cudaGraphInstantiate(&executable, graph, 0);
  EXPECT_EQ(counters().launches, 0u);
  for (int i = 0; i < 3; i++) cudaGraphLaunch(executable, first);
  cudaStreamSynchronize(first);
  EXPECT_EQ(counters().graph_launches, 3u);
  EXPECT_EQ(counters().launches, 9u);
  EXPECT_EQ(x.values()[5], 30.5f);
  cudaGraphExecDestroy(executable);
  cudaGraphDestroy(graph);
}

TEST_F(StreamTest, UnjoinedForkIsReported) {
  cudaStreamBeginCapture(first, cudaStreamCaptureModeGlobal);
  cudaEventRecord(forked, first);
  cudaStreamWaitEvent(second, forked, 0);
  scale_add(z.data(), y.data(), 1, 0, 1000, second);
  cudaGraph_t graph;
  EXPECT_EQ(cudaStreamEndCapture(first, &graph), cudaErrorStreamCaptureUnjoined);
  ASSERT_FALSE(reports().empty());
  EXPECT_EQ(reports()[0].kind, "capture");
}

// `call` while `stream` is captured; the capture has to end as it deserves.
cudaError_t while_capturing(cudaStream_t stream, const std::function<cudaError_t()>& call) {
  EXPECT_EQ(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal), cudaSuccess);
  const cudaError_t error = call();
  cudaGraph_t graph = nullptr;
  EXPECT_EQ(cudaStreamEndCapture(stream, &graph),
            error == cudaSuccess ? cudaSuccess : cudaErrorStreamCaptureInvalidated);
  EXPECT_EQ(graph == nullptr, error != cudaSuccess);
  if (graph) cudaGraphDestroy(graph);
  EXPECT_EQ(reports().size(), error == cudaSuccess ? 0u : 1u) << all_reports();
  return error;
}

TEST_F(StreamTest, SynchronisingACapturingStreamIsReported) {
  EXPECT_EQ(while_capturing(first, [&] { return cudaStreamSynchronize(first); }),
            cudaErrorStreamCaptureUnsupported);
}

TEST_F(StreamTest, SynchronisingTheDeviceWhileCapturingIsReported) {
  EXPECT_EQ(while_capturing(first, [] { return cudaDeviceSynchronize(); }),
            cudaErrorStreamCaptureUnsupported);
}

TEST_F(StreamTest, AllocatingWhileCapturingIsReported) {
  void* p = nullptr;
  EXPECT_EQ(while_capturing(first, [&] { return cudaMalloc(&p, 4); }),
            cudaErrorStreamCaptureUnsupported);
}

// The default stream would wait for a captured one, unless that is non-blocking.
TEST_F(StreamTest, DefaultStreamWorkWhileCapturingABlockingStreamIsReported) {
  const auto work = [&] { return cudaMemsetAsync(x.data(), 0, 4, nullptr); };
  EXPECT_EQ(while_capturing(first, work), cudaSuccess);
  cudaStream_t blocking = nullptr;
  cudaStreamCreate(&blocking);
  EXPECT_EQ(while_capturing(blocking, work), cudaErrorStreamCaptureImplicit);
  cudaStreamDestroy(blocking);
}

TEST_F(StreamTest, LaunchedKernelsAreRecorded) {
  scale_add(y.data(), x.data(), 1, 0, 1000, first);
  cudaStreamSynchronize(first);
  EXPECT_TRUE(launched_kernels().count("engine::samples::scale_add_kernel"));
}

TEST(LinkedKernels, AreKnownByName) {
  EXPECT_TRUE(linked_kernels().count("engine::samples::scale_add_kernel"));
  EXPECT_TRUE(linked_kernels().count("engine::samples::max_pool_kernel<float>"));
  EXPECT_TRUE(linked_kernels().count("engine::samples::matmul_sm90_kernel<2>"));
  EXPECT_FALSE(linked_kernels().count("engine::samples::scale_add"));
}

}  // namespace
}  // namespace engine::simt
