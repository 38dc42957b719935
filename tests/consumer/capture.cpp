// A training step as a part of a CUDA graph of one's own: three steps and a copy of the loss are
// captured, and the graph is launched a hundred times; exits 0 when it learned the line.
#include <cstdio>

#include "engine/engine.h"
#include "place.h"

using namespace engine;

int main() {
  if (const std::string reason = why_no_cuda(); !reason.empty()) {
    std::printf("skipped: %s\n", reason.c_str());
    return 0;
  }
  Graph graph;
  Scope net(graph);
  Value x = random_uniform(graph, "points", {32, 2});
  Value slopes = graph.constant(Tensor::from(std::vector<float>{3, -2}, {1, 2}));
  Value loss = mean(square(linear(net / "line", x, {.units = 1, .bias = false}) -
                           matmul(x, slopes, {.transpose_b = true})));
  minimize(net, loss, Sgd{.learning_rate = 0.1f});
  graph.output("loss", loss);

  Place place;
  Store store(place.device());
  Executable step = compile(graph, store, {.precision = Precision::f32});
  float* const loss_copy = place.upload({1e9f});

  cudaGraph_t captured = nullptr;
  check(cudaStreamBeginCapture(place.cuda_stream(), cudaStreamCaptureModeGlobal));
  step.run(place.stream(), 3);
  check(cudaMemcpyAsync(loss_copy, step.output("loss").data(), sizeof(float),
                        cudaMemcpyDeviceToDevice, place.cuda_stream()));
  check(cudaStreamEndCapture(place.cuda_stream(), &captured));
  cudaGraphExec_t executable = nullptr;
  check(cudaGraphInstantiate(&executable, captured, 0));
  for (int i = 0; i < 100; ++i) check(cudaGraphLaunch(executable, place.cuda_stream()));

  const float left = place.download(Tensor::borrow(loss_copy, {1}, DType::f32, place.device()))[0];
  std::printf("%lld steps in a graph of our own on %s, loss %g\n",
              static_cast<long long>(store.step()), describe(place.device()).c_str(), left);
  check(cudaGraphExecDestroy(executable));
  check(cudaGraphDestroy(captured));
  return left < 1e-3f && store.step() == 300 ? 0 : 1;
}
