// What running a step costs the machine, counted by the emulated runtime; steps that cannot be
// captured; steps inside the caller's own capture.
#include <cuda_runtime_api.h>

#include "emulated_machine.h"
#include "engine/core/cuda/check.h"
#include "engine/core/executable.h"
#include "engine/core/structural_ops.h"
#include "engine/kernels/compile.h"
#include "engine/kernels/gather_rows.h"
#include "engine/kernels/image.h"
#include "engine/kernels/optimizer_update.h"
#include "engine/kernels/random.h"
#include "engine/kernels/record.h"
#include "engine/kernels/schedule.h"
#include "tests/support/compare.h"
#include "tests/support/random_tensor.h"
#include "tests/support/training_model.h"

namespace engine {
namespace {

constexpr std::int64_t kRows = 10, kBatch = 3;

// An epoch on the device: rows drawn, augmented, a parameter moved by what came out, a ring filled.
// `spoil` becomes part of the step.
Graph training_graph(const std::function<Value(const Value&)>& spoil) {
  Graph graph;
  const Value images = graph.input("images", {kRows, 6, 5, 3}, DType::u8);
  Value x = gather_rows(images, shuffled_rows(graph, "shuffle", kRows, kBatch));
  x = normalize_images(random_geometry(x, "augment", {.shift = 1, .flip = true}),
                       {.mean = {0.5f}, .standard_deviation = {0.25f}});
  const Value gradient =
      spoil(add_n({dropout(x, "drop", 0.3f), random_normal(graph, "noise", x.shape())}));
  const auto state = [&](const char* name) {
    return graph.read_state({.name = name, .shape = x.shape(), .role = StateRole::parameter});
  };
  const Value rate = schedule(graph.clock(), {.peak = 0.5f, .warmup_steps = 2, .total_steps = 12});
  const SgdUpdateResult moved =
      sgd_update({rate, graph.constant(1.0f), graph.clock(), {state("w")}, {gradient}},
                 {state("velocity")}, {.momentum = 0.9});
  graph.update_state("w", moved.parameters[0]);
  graph.update_state("velocity", moved.velocities[0]);
  const Value ring = graph.read_state({.name = "norms", .shape = {8}});
  graph.update_state("norms", record_in_ring(ring, squared_norm({gradient}), graph.clock()));
  graph.output("gradient", gradient);
  graph.advance_clock();
  return graph;
}

// A training step on the emulated GPU, and a stream that is the caller's own.
struct Training {
  explicit Training(const std::function<Value(const Value&)>& spoil = [](const Value& x) {
    return x;
  }) {
    const Graph graph = training_graph(spoil);
    step.emplace(compile(graph, store,
                         {.precision = Precision::f32,
                          .debug = 1,
                          .log = [this](std::string_view text) { log += text; }}));
    step->set_input("images", random_tensor({kRows, 6, 5, 3}, DType::u8, 1, {0, 256}));
    ENGINE_CUDA_CHECK(cudaStreamCreateWithFlags(&own, cudaStreamNonBlocking));
    simt::counters() = {};
  }
  ~Training() { cudaStreamDestroy(own); }

  void run(std::int64_t steps) { step->run(stream(), steps); }
  Stream stream() const { return Stream::borrow(store.device(), own); }
  std::vector<Tensor> state() const {
    stream().synchronize();
    std::vector<Tensor> values;
    for (const Store::Entry& entry : store.entries()) {
      values.push_back(entry.tensor.to(Device::cpu()));
    }
    return values;
  }

  std::string log;
  Store store{Device::cuda(), {.seed = 5}};
  std::optional<Executable> step;
  cudaStream_t own = nullptr;
};

void expect_same_state(const Training& a, const Training& b) {
  const std::vector<Tensor> left = a.state(), right = b.state();
  ASSERT_EQ(left.size(), right.size());
  for (std::size_t i = 0; i < left.size(); ++i) {
    EXPECT_TRUE(same_bits(left[i], right[i])) << a.store.entries()[i].name;
  }
}

class SteadyState : public EmulatedMachine {};

TEST_F(SteadyState, AStepIsOneGraphLaunchOnTheCallersStream) {
  Training training;
  training.run(1);
  EXPECT_EQ(simt::counters().synchronisations, 0u) << "in the first step";
  training.stream().synchronize();
  const std::uint64_t kernels = simt::counters().launches;
  EXPECT_GE(kernels, 8u);

  const std::size_t memory = simt::live_device_bytes();
  simt::counters() = {};
  for (const std::int64_t steps : {1, 3, 20}) training.run(steps);
  const simt::Counters found = simt::counters();
  EXPECT_EQ(found.graph_launches, 24u);
  EXPECT_EQ(found.allocations, 0u);
  EXPECT_EQ(found.synchronisations, 0u);
  EXPECT_EQ(found.operations, (std::map<const void*, std::uint64_t>{{training.own, 24}}));
  EXPECT_EQ(found.launches, 0u) << "somebody waited";
  EXPECT_EQ(simt::live_device_bytes(), memory);

  training.stream().synchronize();
  EXPECT_EQ(simt::counters().launches, 24 * kernels);
  EXPECT_EQ(training.store.step(), 25);
}

// A net with convolution, product and Adam, in each precision.
TEST_F(SteadyState, SoIsAStepOfAWholeNet) {
  for (const Precision precision : {Precision::f32, Precision::tf32, Precision::bf16}) {
    SCOPED_TRACE(name_of(precision));
    const TrainingModel model;
    Store store(Device::cuda(), {.seed = 3});
    Executable step = model.compile_step(store, {.precision = precision});
    cudaStream_t own = nullptr;
    ASSERT_EQ(cudaStreamCreateWithFlags(&own, cudaStreamNonBlocking), cudaSuccess);
    const Stream stream = Stream::borrow(store.device(), own);
    step.run(stream, 1);
    stream.synchronize();
    const std::uint64_t before = simt::counters().launches;
    simt::counters() = {};
    step.run(stream, 2);
    const simt::Counters found = simt::counters();
    EXPECT_EQ(found.graph_launches, 2u);
    EXPECT_EQ(found.allocations, 0u);
    EXPECT_EQ(found.synchronisations, 0u);
    EXPECT_EQ(found.operations, (std::map<const void*, std::uint64_t>{{own, 2}}));
    stream.synchronize();
    EXPECT_GE(before, 20u);
    EXPECT_GE(simt::counters().launches, 40u);
    EXPECT_EQ(store.step(), 3);
    cudaStreamDestroy(own);
  }
}

// The counters would see it.
TEST_F(SteadyState, CountersSeeWhatTheTestAboveForbids) {
  Training training;
  training.run(1);
  simt::counters() = {};
  Tensor::empty({4}, DType::f32, Device::cuda()).fill_zero();
  training.step->run();
  EXPECT_EQ(simt::counters().allocations, 1u);
  EXPECT_GE(simt::counters().synchronisations, 1u);
  EXPECT_EQ(simt::counters().operations.count(training.own), 0u);
  EXPECT_EQ(simt::counters().operations[nullptr], 3u);  // zeros, the freed memory, the graph
}

// --- steps that cannot be captured ---------------------------------------------------------------

constexpr const char* kRefused = "run: this step cannot be captured";

TEST_F(SteadyState, WhereCapturingIsRefusedKernelsAreLaunchedOneByOne) {
  Training captured;
  captured.run(5);
  EXPECT_EQ(captured.log.find(kRefused), std::string::npos);
  for (const char* call :
       {"cudaStreamBeginCapture", "cudaStreamEndCapture", "cudaGraphInstantiate"}) {
    SCOPED_TRACE(call);
    Training plain;
    simt::fail_calls(call, cudaErrorNotSupported);
    plain.run(1);
    plain.run(4);
    EXPECT_NE(plain.log.find(kRefused), std::string::npos);
    const simt::Counters found = simt::counters();
    EXPECT_EQ(found.graph_launches, 0u);
    EXPECT_EQ(found.synchronisations, 0u);
    ASSERT_EQ(found.operations.size(), 1u);
    EXPECT_GE(found.operations.at(plain.own), 5 * 8u);
    expect_same_state(captured, plain);
  }
}

// Passes its input on, and waits for the stream as no kernel of ours would.
class WaitingOp final : public Op {
 public:
  std::string_view name() const override { return "waiting"; }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    return {inputs[0]};
  }
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override {
    const std::int64_t bytes = context.inputs[0].bytes();
    return make_kernel([bytes](const Stream& stream, const Buffers& buffers) {
      const auto handle = static_cast<cudaStream_t>(stream.native_handle());
      ENGINE_CUDA_CHECK(cudaStreamSynchronize(handle));
      ENGINE_CUDA_CHECK(cudaMemcpyAsync(buffers.outputs[0], buffers.inputs[0],
                                        static_cast<std::size_t>(bytes), cudaMemcpyDefault,
                                        handle));
    });
  }
};

TEST_F(SteadyState, AKernelThatCannotBeCapturedIsRunAllTheSame) {
  Training captured,
      plain([](const Value&x) { return Graph::of(x).add1(std::make_shared<WaitingOp>(), {x}); });
  captured.run(4);
  plain.run(4);
  EXPECT_NE(plain.log.find(kRefused), std::string::npos);
  ASSERT_EQ(simt::reports().size(), 1u);  // of the attempt
  EXPECT_EQ(simt::reports()[0].kind, "capture");
  EXPECT_EQ(simt::counters().graph_launches, 4u);  // the other one's
  expect_same_state(captured, plain);
  simt::reset();
}

// --- the caller's own capture --------------------------------------------------------------------

// Two steps become part of the caller's graph, which runs three times.
TEST_F(SteadyState, InTheCallersCaptureAStepIsEnqueuedNodeByNode) {
  Training ours;
  ours.run(7);
  for (const std::int64_t steps_before : {0, 1}) {
    SCOPED_TRACE(steps_before);
    Training theirs;
    theirs.run(steps_before);  // with and without a recording of our own
    theirs.stream().synchronize();
    simt::counters() = {};
    ASSERT_EQ(cudaStreamBeginCapture(theirs.own, cudaStreamCaptureModeGlobal), cudaSuccess);
    theirs.run(2);
    cudaGraph_t graph = nullptr;
    ASSERT_EQ(cudaStreamEndCapture(theirs.own, &graph), cudaSuccess);
    EXPECT_EQ(simt::counters().graph_launches, 0u);
    EXPECT_TRUE(simt::counters().operations.empty());
    cudaGraphExec_t executable = nullptr;
    ASSERT_EQ(cudaGraphInstantiate(&executable, graph, 0), cudaSuccess);
    for (int i = 0; i < 3; ++i) cudaGraphLaunch(executable, theirs.own);
    EXPECT_EQ(simt::counters().graph_launches, 3u);
    theirs.run(1 - steps_before);  // and afterwards all is as before
    expect_same_state(ours, theirs);
    cudaGraphExecDestroy(executable);
    cudaGraphDestroy(graph);
  }
}

}  // namespace
}  // namespace engine
