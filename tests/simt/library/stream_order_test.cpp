// Streams of the caller's that the default stream does not wait for, as cudaStreamNonBlocking makes
// them: what the engine orders by itself, without waiting. Work there runs as late as it may.
#include <filesystem>

#include <cuda_runtime_api.h>

#include "emulated_machine.h"
#include "engine/core/checkpoint.h"
#include "engine/core/cuda/check.h"
#include "engine/core/structural_ops.h"
#include "engine/kernels/binary.h"
#include "engine/kernels/compile.h"
#include "tests/core/temporary_folder.h"

namespace engine {
namespace {

Tensor pair(float a, float b) {
  return Tensor::from(std::vector<float>{a, b}, {2});
}

// sum += x, once a step; y is the new sum.
struct Adder {
  Adder() {
    Graph graph;
    const Value sum = graph.read_state({.name = "sum", .shape = {2}}) + graph.input("x", {2});
    graph.update_state("sum", sum);
    graph.output("y", sum);
    graph.advance_clock();
    step.emplace(compile(graph, store, {.precision = Precision::f32}));
    for (cudaStream_t& stream : own) {
      ENGINE_CUDA_CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    }
    step->set_input("x", pair(1, 10));
    step->run();  // makes the recording
    simt::counters() = {};
  }
  ~Adder() {
    step.reset();
    for (cudaStream_t stream : own) cudaStreamDestroy(stream);
  }
  Stream stream(int index = 0) const { return Stream::borrow(store.device(), own[index]); }
  std::vector<float> sum() const { return step->output("y").to_floats(); }

  Store store{Device::cuda()};
  std::optional<Executable> step;
  cudaStream_t own[2] = {};
};

class StreamOrder : public EmulatedMachine {};

TEST_F(StreamOrder, ReadingAfterARunNeedsNoSynchronisation) {
  Adder adder;
  adder.step->run(adder.stream(), 2);
  EXPECT_EQ(simt::counters().launches, 0u) << "it ran at once, so that this test shows nothing";
  EXPECT_EQ(adder.sum(), (std::vector<float>{3, 30}));
  adder.step->run(adder.stream());
  EXPECT_EQ(adder.store.step(), 4);
  adder.step->run(adder.stream());
  EXPECT_EQ(adder.store.get("sum").to_floats(), (std::vector<float>{5, 50}));
  adder.step->run(adder.stream());
  const TemporaryFolder folder;
  save_checkpoint(adder.store, folder / "saved");
  Store loaded(Device::cpu());
  Graph graph;
  graph.read_state({.name = "sum", .shape = {2}});
  loaded.declare(graph);
  load_checkpoint(loaded, folder / "saved");
  EXPECT_EQ(loaded.get("sum").to_floats(), (std::vector<float>{6, 60}));
}

TEST_F(StreamOrder, SetInputDoesNotReachTheStepBefore) {
  Adder adder;
  adder.step->run(adder.stream(), 2);
  adder.step->set_input("x", pair(100, 1000));
  adder.step->run(adder.stream());
  EXPECT_EQ(adder.sum(), (std::vector<float>{103, 1030}));
}

TEST_F(StreamOrder, SetInputOnAStreamWaitsForNothing) {
  Adder adder;
  const Tensor first = pair(2, 3), second = pair(100, 1000);
  adder.step->set_input("x", first, adder.stream());
  adder.step->run(adder.stream(), 2);
  adder.step->set_input("x", second, adder.stream());
  adder.step->run(adder.stream());
  const simt::Counters found = simt::counters();
  EXPECT_EQ(found.synchronisations, 0u);
  EXPECT_EQ(found.allocations, 0u);
  EXPECT_EQ(found.launches, 0u) << "somebody waited";
  EXPECT_EQ(found.operations, (std::map<const void*, std::uint64_t>{{adder.own[0], 5}}));
  EXPECT_EQ(adder.sum(), (std::vector<float>{105, 1016}));
  EXPECT_THROW(adder.step->set_input("x", Tensor::scalar(1), adder.stream()), InvalidArgument);
}

TEST_F(StreamOrder, OneExecutableKeepsItsOrderOnSeveralStreams) {
  Adder adder;
  for (int i = 0; i < 3; ++i) {
    adder.step->run(adder.stream(0));
    const Tensor next = pair(2, 4);
    adder.step->set_input("x", next, adder.stream(1));
    adder.step->run(adder.stream(1));
    const Tensor last = pair(1, 10);
    adder.step->set_input("x", last, adder.stream(0));
    adder.step->run();
    adder.stream(0).synchronize();  // next and last are read by then
  }
  adder.step->run(adder.stream(1));
  adder.stream(1).synchronize();
  EXPECT_EQ(adder.store.step(), 11);
  EXPECT_EQ(adder.sum(), (std::vector<float>{1 + 3 * 4 + 1, 10 + 3 * 24 + 10}));
}

// Two executables over one Store, of which only one runs on a stream of the caller's.
TEST_F(StreamOrder, RunsOnTheDefaultStreamAreInOrderWithAllOthers) {
  Adder adder;
  Graph graph;
  graph.output("twice", graph.read_state({.name = "sum", .shape = {2}}) * 2.0f);
  Executable twice = compile(graph, adder.store, {.precision = Precision::f32});
  adder.step->run(adder.stream());
  twice.run();
  adder.step->run(adder.stream());
  EXPECT_EQ(twice.output("twice").to_floats(), (std::vector<float>{4, 40}));
  EXPECT_EQ(adder.sum(), (std::vector<float>{3, 30}));
}

// The emulator reports accesses to memory that is gone.
TEST_F(StreamOrder, MemoryOutlivesTheStepsThatUseIt) {
  Adder adder;
  Tensor first = pair(5, 6).to(Device::cuda());
  const Tensor second = pair(7, 8).to(Device::cuda());
  adder.step->bind_input("x", first);
  first = Tensor();
  adder.step->run(adder.stream());
  adder.step->bind_input("x", second);  // the first one's last owner lets go
  adder.step->run(adder.stream(), 2);
  adder.step.reset();
  adder.stream().synchronize();
  EXPECT_EQ(adder.store.get("sum").to_floats(), (std::vector<float>{20, 32}));
}

// An executable that never ran on the default stream, destroyed after the caller's stream.
TEST_F(StreamOrder, TheStreamMayGoFirst) {
  Adder adder;
  adder.step->run(adder.stream(1));
  cudaStreamDestroy(adder.own[1]);
  ENGINE_CUDA_CHECK(cudaStreamCreateWithFlags(&adder.own[1], cudaStreamNonBlocking));
  adder.step->run(adder.stream(1));
  EXPECT_EQ(adder.sum(), (std::vector<float>{3, 30}));
}

TEST_F(StreamOrder, TheCallersOwnUseOfTheDefaultStreamDoesNotWait) {
  Adder adder;
  adder.step->run(adder.stream());
  ENGINE_CUDA_CHECK(cudaStreamSynchronize(nullptr));
  EXPECT_EQ(simt::counters().launches, 0u);
}

TEST_F(StreamOrder, FillingIsDoneWhenItReturns) {
  const Tensor tensor = Tensor::empty({100}, DType::f32, Device::cuda());
  simt::counters() = {};
  tensor.fill_zero();
  EXPECT_EQ(simt::counters().synchronisations, 1u);
}

TEST_F(StreamOrder, ACaptureHoldsTheStepAndNothingElse) {
  Adder adder;
  const Tensor next = pair(2, 3);
  adder.step->run(adder.stream());
  ENGINE_CUDA_CHECK(cudaStreamBeginCapture(adder.own[0], cudaStreamCaptureModeGlobal));
  adder.step->set_input("x", next, adder.stream());
  adder.step->run(adder.stream());
  cudaGraph_t graph = nullptr;
  ENGINE_CUDA_CHECK(cudaStreamEndCapture(adder.own[0], &graph));
  cudaGraphExec_t executable = nullptr;
  ENGINE_CUDA_CHECK(cudaGraphInstantiate(&executable, graph, 0));
  for (int i = 0; i < 2; ++i) ENGINE_CUDA_CHECK(cudaGraphLaunch(executable, adder.own[0]));
  adder.stream().synchronize();
  EXPECT_EQ(adder.sum(), (std::vector<float>{2 + 2 * 2, 20 + 2 * 3}));
  cudaGraphExecDestroy(executable);
  cudaGraphDestroy(graph);
}

// --- debug levels --------------------------------------------------------------------------------

TEST_F(StreamOrder, DebugLevelsTimeAndNameKernelsOnTheGivenStream) {
  for (const int level : {2, 3, 4}) {
    SCOPED_TRACE(level);
    Graph graph;
    graph.output("y", graph.input("x", {2}) * 2.0f);
    Store store(Device::cuda());
    std::string text;
    Executable net = compile(graph, store,
                             {.debug = level, .log = [&](std::string_view part) { text += part; }});
    net.set_input("x", pair(1, 2));
    cudaStream_t own = nullptr;
    ENGINE_CUDA_CHECK(cudaStreamCreateWithFlags(&own, cudaStreamNonBlocking));
    simt::counters() = {};
    net.run(Stream::borrow(store.device(), own), 3);
    EXPECT_EQ(simt::counters().operations.count(nullptr), 0u);
    EXPECT_GE(simt::counters().operations[own], 3u);
    EXPECT_EQ(text.find("GB/s") != std::string::npos, level < 4) << text;
    EXPECT_EQ(net.output("y").to_floats(), (std::vector<float>{2, 4}));
    cudaStreamDestroy(own);
  }
}

TEST_F(StreamOrder, ProfileTellsTheTimeOfEachNode) {
  Adder adder;
  const std::vector<Executable::NodeTime> times = adder.step->profile(4);
  ASSERT_FALSE(times.empty());
  // The emulator's clock says 1 us between any two events.
  for (const auto& node : times) EXPECT_NEAR(node.seconds, 1e-6, 1e-9) << node.name;
  EXPECT_EQ(adder.store.step(), 5);
}

}  // namespace
}  // namespace engine
