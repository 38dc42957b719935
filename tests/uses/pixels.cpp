// An optimiser over pixels: the weights are frozen, the image is what changes.
#include <cstdio>

#include "engine/engine.h"

using namespace engine;

int main() {
  Graph graph;
  Scope net(graph);
  Value image = net.parameter("image", {1, 32, 32, 3}, init::uniform(0, 1));
  Value wanted = graph.input("wanted", {8});

  Value x = relu(conv2d(net / "features", image, {.filters = 8, .kernel = 3, .padding = 1}));
  Value means = reshape(mean(x, {.first = 1, .last = 3}), {8});  // the mean of each feature map
  Value loss = mean(square(means - wanted));
  minimize(net, loss, Adam{.learning_rate = 0.02}, {.parameters = {image}});
  graph.output("loss", loss);

  Store store(Device::best(), {.seed = 3});
  Executable step = compile(graph, store);
  step.set_input("wanted", Tensor::from(std::vector<float>(8, 0.5f), {8}));
  step.run();
  const float first = step.output("loss").item();
  step.run(200);
  const float last = step.output("loss").item();
  std::printf("loss %.4f -> %.6f\n", first, last);
  return last < 0.05f * first ? 0 : 1;
}
