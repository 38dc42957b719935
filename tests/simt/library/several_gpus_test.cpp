// Work on a GPU that is not the current one: nothing lands elsewhere, and the caller finds his
// device and no other's context as he left them. The emulator reports whatever is given to a wrong
// device.
#include <cuda_runtime_api.h>

#include "emulated_machine.h"
#include "engine/core/cuda/check.h"
#include "engine/kernels/binary.h"
#include "engine/kernels/compile.h"
#include "engine/kernels/random.h"
#include "tests/support/compare.h"
#include "tests/support/training_model.h"

namespace engine {
namespace {

class SeveralGpus : public EmulatedMachine {
 public:
  void SetUp() override {
    EmulatedMachine::SetUp();
    simt::machine().gpus = 2;
  }
};

int current_device() {
  int index = -1;
  ENGINE_CUDA_CHECK(cudaGetDevice(&index));
  return index;
}

std::vector<Tensor> state_of(const Store& store) {
  std::vector<Tensor> values;
  for (const Store::Entry& entry : store.entries()) {
    values.push_back(entry.tensor.to(Device::cpu()));
  }
  return values;
}

// What a few steps leave behind, each run in another way.
std::vector<Tensor> train(const Device& device, Precision precision, int debug) {
  const TrainingModel model;
  Store store(device, {.seed = 3});
  Executable step =
      model.compile_step(store, {.precision = precision, .debug = debug, .log = [](auto) {}});
  step.run(2);
  step.inspect([](const Node&, std::span<const Tensor>) {});
  step.profile(1);
  EXPECT_EQ(step.find_non_finite(), "");
  // A step that is not recorded.
  Executable plain =
      model.compile_step(store, {.precision = precision, .debug = debug, .log = [](auto) {}});
  simt::fail_calls("cudaStreamBeginCapture", cudaErrorNotSupported);
  plain.run(2);
  return state_of(store);
}

struct TrainingCase {
  const char* name;
  Precision precision;
  int debug;
};
void PrintTo(const TrainingCase& c, std::ostream* out) {
  *out << c.name;
}
class TrainingOnAnotherGpu : public SeveralGpus,
                             public testing::WithParamInterface<TrainingCase> {};

TEST_P(TrainingOnAnotherGpu, IsTheSame) {
  const TrainingCase& c = GetParam();
  const std::vector<Tensor> there = train(Device::cuda(1), c.precision, c.debug);
  EXPECT_EQ(simt::devices_with_context(), std::set<int>{1});
  EXPECT_EQ(current_device(), 0);
  const std::vector<Tensor> here = train(Device::cuda(0), c.precision, c.debug);
  ASSERT_EQ(here.size(), there.size());
  for (std::size_t i = 0; i < here.size(); ++i) EXPECT_TRUE(same_bits(here[i], there[i])) << i;
}

INSTANTIATE_TEST_SUITE_P(Ways, TrainingOnAnotherGpu,
                         testing::Values(TrainingCase{"recorded", Precision::f32, 0},
                                         TrainingCase{"bf16", Precision::bf16, 0},
                                         TrainingCase{"timed", Precision::f32, 2},
                                         TrainingCase{"node_by_node", Precision::f32, 4}),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_F(SeveralGpus, OnAStreamOfTheCallersAndInHisCapture) {
  const TrainingModel model;
  ENGINE_CUDA_CHECK(cudaSetDevice(1));
  cudaStream_t own = nullptr;
  ENGINE_CUDA_CHECK(cudaStreamCreateWithFlags(&own, cudaStreamNonBlocking));
  ENGINE_CUDA_CHECK(cudaSetDevice(0));
  {
    Store store(Device::cuda(1));
    Executable step = model.compile_step(store);
    const Stream stream = Stream::borrow(store.device(), own);
    step.run(stream, 2);
    ENGINE_CUDA_CHECK(cudaStreamBeginCapture(own, cudaStreamCaptureModeThreadLocal));
    step.run(stream);
    cudaGraph_t graph = nullptr;
    ENGINE_CUDA_CHECK(cudaStreamEndCapture(own, &graph));
    cudaGraphExec_t executable = nullptr;
    ENGINE_CUDA_CHECK(cudaGraphInstantiate(&executable, graph, 0));
    ENGINE_CUDA_CHECK(cudaGraphLaunch(executable, own));
    stream.synchronize();
    EXPECT_EQ(store.step(), 3);
    ENGINE_CUDA_CHECK(cudaGraphExecDestroy(executable));
    ENGINE_CUDA_CHECK(cudaGraphDestroy(graph));
  }
  EXPECT_EQ(current_device(), 0);
  cudaStreamDestroy(own);
}

TEST_F(SeveralGpus, FrozenParametersArePackedThere) {
  Graph graph;
  const Value w = graph.read_state(
      {.name = "w", .shape = {64}, .init = init::ones(), .role = StateRole::parameter});
  graph.output("y", random_uniform(graph, "noise", {64}) + w * 2.0f);
  Store store(Device::cuda(1));
  Executable net = compile(graph, store, {.parameters = Parameters::frozen});
  net.run();
  EXPECT_EQ(net.output("y").to_floats().size(), 64u);
  EXPECT_EQ(simt::devices_with_context(), std::set<int>{1});
}

TEST_F(SeveralGpus, TensorsGoFromOneToTheOther) {
  const Tensor values = Tensor::from(std::vector<float>{1, 2, 3}, {3});
  const Tensor first = values.to(Device::cuda(0)), second = first.to(Device::cuda(1));
  Tensor::zeros({3}, DType::f32, Device::cuda(1));
  EXPECT_EQ(second.to_floats(), (std::vector<float>{1, 2, 3}));
  ENGINE_CUDA_CHECK(cudaSetDevice(1));  // the caller's choice stays as well
  EXPECT_EQ(first.to_floats(), (std::vector<float>{1, 2, 3}));
  EXPECT_EQ(current_device(), 1);
}

}  // namespace
}  // namespace engine
